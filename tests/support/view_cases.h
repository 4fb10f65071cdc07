// Views that a device makes, against the loader's own (data/augment), which the goldens hold to
// torchvision's.
#pragma once

#include <string>
#include <vector>

#include "mec/data/augment/transform.h"
#include "mec/tensor/tensor.h"

namespace mec::test {

// Images of many sizes, and one way to make views of them: each operation alone, all together, and
// sizes at the edges of kernels.
struct ViewCase {
  std::string name;
  int channels = 3;
  std::vector<ImageSize> images;
  TransformPtr transform;
  // Apart from the rounding of contrast's mean, nothing is summed in another order.
  bool exact = true;
};
std::vector<ViewCase> view_cases();

struct ViewDifference {
  double levels = 0;            // the largest, in gray levels of a file
  std::int64_t other_bits = 0;  // values that differ at all
  std::int64_t values = 0;
};

// Every view of the case, in guarded memory. A value that solarising may or may not have reached,
// being within a hundredth of a level of the threshold, may be either. For bf16 what the rounding
// of the result explains is taken off.
ViewDifference compare_views(const ViewCase& views, const Device& device, Dtype dtype = Dtype::f32);

// Sums of up to some hundred products in f32 of values up to 255, contracted or not, scaled by the
// factors of the jitter.
constexpr double kViewLevels = 0.01;

}  // namespace mec::test
