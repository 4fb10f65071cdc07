// A span of time that NVIDIA's profilers show under a name.
#pragma once

#include <nvtx3/nvToolsExt.h>

namespace mec::cuda {

class Range {
 public:
  explicit Range(const char* name) { nvtxRangePushA(name); }
  ~Range() { nvtxRangePop(); }
  Range(const Range&) = delete;
  Range& operator=(const Range&) = delete;
};

}  // namespace mec::cuda
