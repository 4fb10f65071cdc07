// What the bits of a computation depend on beside its input.
#pragma once

#include <string>

#include "mec/tensor/devices.h"

namespace mec {

inline constexpr int kMostCpuThreads = 4096;
// "auto", "own" or "libraries"; ValueError for another word.
CpuKernels parse_cpu_kernels(const std::string& name);

// The kernels that make_device() chooses with these arguments, and the number of threads where
// results depend on it: "cpu with its own kernels (avx2)", "cpu with the libraries' kernels
// (avx512, 2 threads)", "cuda (NVIDIA H100) with TF32". Two computations with the same text, build
// and machine have the same bits.
std::string describe_arithmetic(const std::string& device, const CpuOptions& cpu = {}, const CudaOptions& cuda = {});

}  // namespace mec
