#include "mec/tensor/devices.h"

#include "mec/tensor/backend.h"

namespace mec {

Device make_device(const std::string& name, const CpuOptions& cpu, const CudaOptions& cuda) {
  if (name == "cpu") return make_cpu_device(cpu);
  if (name == "cuda") return make_cuda_device(cuda);
  check<ValueError>(name == "reference", "device: there is no device '", name, "'; choose cpu, cuda or reference");
  return make_reference_device();
}

}  // namespace mec
