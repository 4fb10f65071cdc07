// How to get a device.
#pragma once

#include <string>

#include "mec/tensor/tensor.h"

namespace mec {

// How oneDNN's convolutions take bf16 operands: as they are, or widened to f32, which costs no memory to speak of and loses nothing.
// automatic: whichever is faster on this processor.
enum class Bf16Convolution { automatic, native, widened };

struct CpuOptions {
  int threads = 0;        // 0: as many as OpenMP would take
  bool portable = false;  // our own kernels only, even where oneDNN and OpenBLAS are there (to test them)
  Bf16Convolution bf16 = Bf16Convolution::automatic;
};

// The fast CPU backend: oneDNN, OpenBLAS and LAPACK where they were found at build time, portable kernels where not.
Device make_cpu_device(const CpuOptions& options = {});

// What make_cpu_device() takes on this machine.
struct CpuDescription {
  std::string instruction_set;  // of our own loops: baseline, avx2 or avx512
  int threads = 1;
  bool widens_bf16 = false;  // oneDNN gets bf16 convolutions in f32
};
CpuDescription describe_cpu(const CpuOptions& options = {});

// f32 operations a second that multiply-adds in registers reach on all threads, measured: what no kernel can exceed.
double peak_flops(const CpuOptions& options = {});

// Plain loops in the order of the formulas: the specification that every other backend is tested against. f32, f64 and bf16.
Device make_reference_device();

// "cpu" or "reference"; ValueError names what exists otherwise.
Device make_device(const std::string& name, const CpuOptions& options = {});

}  // namespace mec
