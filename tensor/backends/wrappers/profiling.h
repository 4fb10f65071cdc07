// ProfilingBackend: times every kernel of another device, and waits for each to end.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "mec/tensor/backends/wrappers/forwarding.h"

namespace mec {

// All calls of one kernel with one set of sizes, in one phase.
struct KernelProfile {
  std::string phase, kernel;
  std::string sizes;  // "(256,28,28,16) f32, (16,3,3,16) f32 -> (256,28,28,16) f32"
  std::int64_t calls = 0;
  double seconds = 0;  // until the device was done with it
  // Of products, convolutions (padding counted) and decompositions; 0 for others.
  double flops = 0;
  double bytes = 0;  // of all memory that was read or written, each counted once a call
};

// Kernels run on the inner device as they come; its allocator serves both.
class ProfilingBackend final : public ForwardingBackend {
 public:
  using ForwardingBackend::ForwardingBackend;

  // Later calls are counted under this name.
  void begin_phase(const std::string& name) { phase_ = name; }
  void reset() { profiles_.clear(); }
  std::vector<KernelProfile> profiles() const;  // the longest first

 protected:
  void on_call(KernelCall call) override;

 private:
  std::string phase_;
  std::map<std::string, KernelProfile> profiles_;  // by phase, kernel and sizes
};

}  // namespace mec
