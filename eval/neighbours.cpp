#include "mec/eval/neighbours.h"

#include <algorithm>

#include "mec/tensor/ops.h"

namespace mec {

namespace {

// Similarities held at a time: 64 MiB of f32.
constexpr std::int64_t kBlock = std::int64_t{1} << 24;

Tensor mean_of_rows(const Tensor& x) { return batch_norm_statistics(x).mean; }

}  // namespace

// Euclidean rows are centred as well: distances stay, and their rounding errors shrink.
NearestRows::NearestRows(const Tensor& rows, const Tensor& x, Distance distance, bool center) : rows_(rows), x_(x) {
  check<ShapeError>(rows.rank() == 2 && x.rank() == 2 && x.dim(1) == rows.dim(1), "neighbours: features ", x.shape(), " and ",
                    rows.shape(), " must have one width");
  if (center || distance == Distance::euclidean) {
    const Tensor mean = mean_of_rows(rows);
    rows_ = sub(rows, mean);
    x_ = sub(x, mean);
  }
  if (distance == Distance::cosine) {
    rows_ = normalize_rows(rows_).y;
    x_ = normalize_rows(x_).y;
  } else {
    row_squares_ = sum(mul(rows_, rows_), 1);
    x_squares_ = sum(mul(x_, x_), 1).to_vector<float>();
  }
}

// Larger is nearer: the cosine, or 2xᵀr − ‖r‖².
TopK NearestRows::find(std::int64_t begin, std::int64_t end, std::int64_t k) const {
  const Tensor products = matmul(x_.rows(begin, end), rows_, {.trans_b = true});
  if (!row_squares_) return top_k(products, k);
  return top_k(sub(scale(products, 2.0), row_squares_), k);
}

double NearestRows::square(std::int64_t row) const {
  return x_squares_.empty() ? 0 : x_squares_[static_cast<std::size_t>(row)];
}

std::int64_t NearestRows::at_a_time() const { return std::clamp<std::int64_t>(kBlock / rows_.dim(0), 1, 1024); }

Neighbours find_neighbours(const Tensor& rows, const Tensor& x, std::int64_t k, const std::vector<std::int64_t>& own) {
  check<ShapeError>(own.empty() || static_cast<std::int64_t>(own.size()) == x.dim(0), "neighbours: ", own.size(),
                    " rows are of the set itself, but there are ", x.dim(0));
  const std::int64_t found = own.empty() ? k : k + 1, most = rows.dim(0) - (own.empty() ? 0 : 1);
  check<ValueError>(k >= 1 && k <= most, "neighbours: k lies between 1 and the ", most, " images to choose from, but is ", k);
  const NearestRows nearest(rows, x, Distance::cosine, false);
  Neighbours all{.k = k, .index = {}, .cosine = {}};
  for (std::int64_t begin = 0; begin < x.dim(0); begin += nearest.at_a_time()) {
    const std::int64_t end = std::min(begin + nearest.at_a_time(), x.dim(0));
    const TopK top = nearest.find(begin, end, found);
    const auto index = top.indices.to_vector<std::int32_t>();
    const auto cosine = top.values.to_vector<float>();
    for (std::int64_t row = begin; row < end; ++row) {
      std::int64_t kept = 0;
      for (std::int64_t j = 0; j < found && kept < k; ++j) {
        const auto at = static_cast<std::size_t>((row - begin) * found + j);
        if (!own.empty() && index[at] == own[static_cast<std::size_t>(row)]) continue;
        all.index.push_back(index[at]);
        all.cosine.push_back(cosine[at]);
        ++kept;
      }
    }
  }
  return all;
}

}  // namespace mec
