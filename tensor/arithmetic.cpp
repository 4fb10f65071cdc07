#include "mec/tensor/arithmetic.h"

#include <cstddef>

namespace mec {

CpuKernels parse_cpu_kernels(const std::string& name) {
  if (name == "auto") return CpuKernels::automatic;
  if (name == "own") return CpuKernels::own;
  check<ValueError>(name == "libraries", "kernels are auto, own or libraries, but are '", name, "'");
  return CpuKernels::libraries;
}

std::string describe_arithmetic(const std::string& device, const CpuOptions& cpu, const CudaOptions& cuda) {
  if (device == "cpu") {
    const CpuDescription is = describe_cpu(cpu);
    if (!is.own_kernels)
      return concat("cpu with the libraries' kernels (", is.instruction_set, ", ", counted(is.threads, "thread"), ")");
    // Decompositions are the libraries' unless all kernels are to be our own.
    const bool lapack = has_cpu_libraries() && cpu.kernels != CpuKernels::own;
    return concat("cpu with its own kernels (", is.instruction_set, lapack ? ", LAPACK)" : ")");
  }
  if (device == "cuda") {
    const auto devices = describe_cuda().devices;
    const auto number = static_cast<std::size_t>(cuda.device);
    return concat("cuda (", number < devices.size() ? devices[number].name : "no GPU", ")", cuda.tf32 ? " with TF32" : "",
                  cuda.deterministic ? "" : ", not deterministic");
  }
  return device;
}

}  // namespace mec
