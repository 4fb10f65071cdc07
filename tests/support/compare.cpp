#include "support/compare.h"

#include <cmath>
#include <vector>

namespace mec::test {

Comparison compare(const Tensor& actual, const Tensor& expected, const Tolerance& tolerance, Classes classes) {
  if (actual.shape() != expected.shape()) {
    return {false, concat("shape ", actual.shape(), " instead of ", expected.shape())};
  }
  const auto a = actual.to(Dtype::f64).to_vector<double>();
  const auto b = expected.to(Dtype::f64).to_vector<double>();
  double squares = 0;  // of what is finite: the rest would allow anything, or nothing
  for (const double value : b) squares += std::isfinite(value) ? value * value : 0;
  const double rms = b.empty() ? 0 : std::sqrt(squares / static_cast<double>(b.size()));

  std::size_t worst = 0, failures = 0;
  double worst_excess = -1;
  for (std::size_t i = 0; i < b.size(); ++i) {
    const bool signs = classes != Classes::with_nan_and_signed_zeros || std::signbit(a[i]) == std::signbit(b[i]);
    if (a[i] == b[i] && (a[i] != 0 || signs)) continue;
    if (classes != Classes::finite && std::isnan(a[i]) && std::isnan(b[i])) continue;
    if (classes == Classes::with_spreading_nan && (std::isnan(a[i]) || (std::isnan(b[i]) && std::isinf(a[i])))) continue;
    const double excess = std::fabs(a[i] - b[i]) - (tolerance.relative * std::fabs(b[i]) + tolerance.of_rms * rms);
    // False for NaN, which therefore fails, and for zeros of two signs.
    if (excess <= 0 && a[i] != b[i]) continue;
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
