#include "mec/nn/files/weight_values.h"

#include <algorithm>
#include <cmath>

#include "mec/tensor/position.h"

namespace mec {

namespace {

// Recognised by PyTorch's names for buffers, and by AdamW's for its state in checkpoints.
bool is_never_negative(const std::string& name) {
  return name.ends_with("running_var") || name.ends_with("num_batches_tracked") ||
         name.starts_with("second_moment");
}

const char* rule_of(double value) {
  if (!std::isfinite(value)) return "weights are finite";
  return std::isfinite(static_cast<float>(value)) ? "it is never negative" : "f32 ends at 3.4e38";
}

}  // namespace

std::string find_bad_value(const std::string& name, const Tensor& tensor) {
  return dispatch_any(tensor.dtype(), [&]<class T>() -> std::string {
    const bool never_negative = is_never_negative(name);
    const auto values = tensor.to_vector<T>();
    const auto bad = std::ranges::find_if(values, [&](T v) {
      const auto value = static_cast<float>(v);
      return !std::isfinite(value) || (never_negative && value < 0);
    });
    if (bad == values.end()) return {};
    const auto value = static_cast<double>(*bad);
    return concat(name, position_of(bad - values.begin(), tensor.shape()), " is ", value, ", but ",
                  rule_of(value));
  });
}

void check_weight_values(const std::string& file, const std::string& name, const Tensor& tensor) {
  const std::string finding = find_bad_value(name, tensor);
  check<IoError>(finding.empty(), file, ": no network has such a weight: ", finding);
}

}  // namespace mec
