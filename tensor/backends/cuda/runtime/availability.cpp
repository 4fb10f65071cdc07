#include "mec/tensor/backends/cuda/runtime/availability.h"

#include "mec/tensor/error.h"

namespace mec::cuda {

std::string version_text(int version) { return concat(version / 1000, ".", version % 1000 / 10); }

std::string why_no_device(const Probe& probe) {
  if (probe.driver == 0) return "no driver";
  if (probe.driver_too_old) {
    return concat("driver too old (needs CUDA ", version_text(probe.runtime), ", has ", version_text(probe.driver), ")");
  }
  if (!probe.failure.empty()) return probe.failure;
  return probe.devices == 0 ? "no device" : "";
}

}  // namespace mec::cuda
