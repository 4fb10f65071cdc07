#include "mec/tensor/devices.h"

#include "mec/tensor/backend.h"

namespace mec {

Device make_device(const std::string& name, const CpuOptions& options) {
  if (name == "cpu") return make_cpu_device(options);
  check<ValueError>(name == "reference", "device: there is no device '", name, "'; choose cpu or reference");
  return make_reference_device();
}

}  // namespace mec
