// Where windows that slide over an image lie: output position i has its tap k on input position
// i·stride + k·dilation − pad.
#pragma once

#include <cstdint>

namespace mec::reference {

struct Window {
  std::int64_t stride, pad, dilation;

  // Input position under tap `tap` of output `out`; outside [0, size) it is padding.
  std::int64_t input(std::int64_t out, std::int64_t tap) const { return out * stride + tap * dilation - pad; }
  // The output whose tap `tap` lies on input `in`, or -1 when none of the `outputs` does.
  std::int64_t output(std::int64_t in, std::int64_t tap, std::int64_t outputs) const {
    const std::int64_t start = in + pad - tap * dilation;
    return start >= 0 && start % stride == 0 && start / stride < outputs ? start / stride : -1;
  }
};

inline bool inside(std::int64_t at, std::int64_t size) { return at >= 0 && at < size; }

}  // namespace mec::reference
