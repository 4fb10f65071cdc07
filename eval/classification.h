// How well a classifier says what images show: top-1, top-5, each class, and what it takes for
// what.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "mec/eval/features.h"

namespace mec {

// Of five guesses one is right by chance where there are few classes: top-5 is of more than five.
constexpr bool has_top5(std::int64_t classes) { return classes > 5; }

struct Classification {
  std::vector<std::string> classes;
  std::int64_t images = 0;
  double top1 = 0;             // shares, in [0, 1]
  std::optional<double> top5;  // where has_top5()
  // [label][prediction]: how many images of a class were taken for which.
  std::vector<std::vector<std::int64_t>> confusion;

  // The share of a class's images that was right; none where it has no images.
  std::optional<double> of_class(std::size_t label) const;
};

// logits: x (N,K) for K `classes`, and labels with names of their own, which are matched by name.
// Of equal logits the first one counts as the larger. ShapeError for another width; ValueError
// without labels, and for a class that is not among `classes`.
Classification classify(const Features& logits, const std::vector<std::string>& classes);

}  // namespace mec
