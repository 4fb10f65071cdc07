#include "support/compare.h"

#include <cmath>
#include <vector>

namespace mec::test {

Comparison compare(const Tensor& actual, const Tensor& expected, const Tolerance& tolerance) {
  if (actual.shape() != expected.shape()) {
    return {false, concat("shape ", actual.shape(), " instead of ", expected.shape())};
  }
  const auto a = actual.to(Dtype::f64).to_vector<double>();
  const auto b = expected.to(Dtype::f64).to_vector<double>();
  double squares = 0;  // infinities apart, which would allow anything
  for (const double value : b) squares += std::isinf(value) ? 0 : value * value;
  const double rms = b.empty() ? 0 : std::sqrt(squares / static_cast<double>(b.size()));

  std::size_t worst = 0, failures = 0;
  double worst_excess = -1;
  for (std::size_t i = 0; i < b.size(); ++i) {
    if (a[i] == b[i]) continue;
    const double excess = std::fabs(a[i] - b[i]) - (tolerance.relative * std::fabs(b[i]) + tolerance.of_rms * rms);
    if (excess <= 0) continue;  // false for NaN, which therefore fails
    ++failures;
    if (!(excess <= worst_excess)) {
      worst = i;
      worst_excess = excess;
    }
  }
  if (failures == 0) return {true, {}};
  return {false, concat(failures, " of ", b.size(), " elements differ; at ", worst, ": ", a[worst], " instead of ", b[worst],
                        ", allowed ", tolerance.relative, " relative and ", tolerance.of_rms, " of the rms ", rms)};
}

}  // namespace mec::test
