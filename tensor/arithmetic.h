// What the bits of a computation depend on beside its input.
#pragma once

#include <string>

#include "mec/tensor/devices.h"

namespace mec {

// The kernels that make_device() chooses with these arguments, and the number of threads where
// results depend on it: "cpu with its own kernels (avx2)", "cpu with the libraries' kernels
// (avx512, 2 threads)", "cuda (NVIDIA H100) with TF32". Two computations with the same text, build
// and machine have the same bits.
std::string describe_arithmetic(const std::string& device, const CpuOptions& cpu = {}, const CudaOptions& cuda = {});

}  // namespace mec
