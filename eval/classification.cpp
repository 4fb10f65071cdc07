#include "mec/eval/classification.h"

#include <algorithm>
#include <numeric>

#include "mec/eval/classes.h"
#include "mec/tensor/ops.h"

namespace mec {

namespace {

constexpr std::int64_t kGuesses = 5;

// The labels as positions in `classes`.
std::vector<std::int32_t> known_labels(const Features& logits, const std::vector<std::string>& classes) {
  std::vector<std::int32_t> all(classes.size());
  std::iota(all.begin(), all.end(), 0);
  return labels_as_in({.x = {}, .labels = all, .class_names = classes}, logits);
}

}  // namespace

std::optional<double> Classification::of_class(std::size_t label) const {
  const std::vector<std::int64_t>& row = confusion.at(label);
  const std::int64_t all = std::accumulate(row.begin(), row.end(), std::int64_t{0});
  if (all == 0) return {};
  return static_cast<double>(row[label]) / static_cast<double>(all);
}

Classification classify(const Features& logits, const std::vector<std::string>& classes) {
  const auto count = static_cast<std::int64_t>(classes.size());
  check<ShapeError>(logits.x && logits.x.rank() == 2 && logits.x.dim(1) == count, "classify: ", count,
                    " classes have as many logits in each row, but these are ", logits.x ? logits.x.shape() : Shape());
  const std::vector<std::int32_t> labels = known_labels(logits, classes);
  const std::int64_t guesses = std::min(kGuesses, count);
  const std::vector<std::int32_t> best = top_k(logits.x, guesses).indices.to_vector<std::int32_t>();
  check<ShapeError>(static_cast<std::int64_t>(labels.size()) == logits.x.dim(0), "classify: ", logits.x.dim(0),
                    " rows have as many labels, but there are ", labels.size());
  Classification out{.classes = classes,
                     .images = logits.x.dim(0),
                     .top5 = {},
                     .confusion = std::vector(classes.size(), std::vector<std::int64_t>(classes.size()))};
  std::int64_t right = 0, among = 0;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const auto guess = best.begin() + static_cast<std::ptrdiff_t>(i) * guesses;
    ++out.confusion[static_cast<std::size_t>(labels[i])][static_cast<std::size_t>(*guess)];
    right += *guess == labels[i] ? 1 : 0;
    among += std::find(guess, guess + guesses, labels[i]) != guess + guesses ? 1 : 0;
  }
  const auto share = [&](std::int64_t part) { return static_cast<double>(part) / static_cast<double>(out.images); };
  out.top1 = share(right);
  if (has_top5(count)) out.top5 = share(among);
  return out;
}

}  // namespace mec
