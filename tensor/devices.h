// How to get a device.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "mec/tensor/tensor.h"

namespace mec {

// How oneDNN's convolutions take bf16 operands: as they are, or widened to f32, which costs no
// memory to speak of and loses nothing. automatic: whichever is faster on this processor.
enum class Bf16Convolution { automatic, native, widened };

struct CpuOptions {
  // 0: what OMP_NUM_THREADS or the caller set, or one for each processor (see
  // backends/cpu/threads.h).
  int threads = 0;
  // Our own kernels only, even where oneDNN and OpenBLAS are there (to test them).
  bool portable = false;
  Bf16Convolution bf16 = Bf16Convolution::automatic;
  // Is told of threads that cannot be had, or that wait for processors.
  std::function<void(const std::string&)> note = {};
};

// The fast CPU backend: oneDNN, OpenBLAS and LAPACK where they were found at build time, portable
// kernels where not.
Device make_cpu_device(const CpuOptions& options = {});

// What make_cpu_device() takes on this machine.
struct CpuDescription {
  std::string instruction_set;  // of our own loops: baseline, avx2 or avx512
  int threads = 1;
  std::string threads_reason = {};  // what their number follows from
  bool widens_bf16 = false;         // oneDNN gets bf16 convolutions in f32
};
CpuDescription describe_cpu(const CpuOptions& options = {});

// f32 operations a second that multiply-adds in registers reach on all threads, measured: what no
// kernel can exceed.
double peak_flops(const CpuOptions& options = {});

// Plain loops in the order of the formulas: the specification that every other backend is tested
// against. f32, f64 and bf16.
Device make_reference_device();

struct CudaOptions {
  int device = 0;     // its number among those that describe_cuda() lists
  // F32 operands of products and convolutions may be rounded to 10 bits of mantissa, for the tensor
  // cores.
  bool tf32 = false;
  bool deterministic = true;  // only convolutions that give the same bits at every run
  // Each convolution on the engine that is fastest on this device, rather than the one cuDNN
  // expects to be.
  bool tune = false;
  // Where not empty: chosen engines are read from it, and kept in it. ValueError where they were
  // chosen under other values of tf32 or deterministic.
  std::string plan_file = {};
  // Is told why a plan file is not used: results may then have other bits.
  std::function<void(const std::string&)> note = {};
};

// An NVIDIA GPU: cuDNN's convolutions, cuBLASLt's products, cuSOLVER's decompositions, and
// hand-written kernels. Activations are f32 or bf16. Kernels are started, not waited for; one host
// thread at a time. DeviceError, with the reason, where there is none.
Device make_cuda_device(const CudaOptions& options = {});

struct CudaDeviceDescription {
  std::string name;
  std::size_t memory = 0;  // bytes
  int capability_major = 0, capability_minor = 0;
  int multiprocessors = 0;
};
struct CudaDescription {
  std::vector<CudaDeviceDescription> devices = {};
  // Why there are none: "built without CUDA", "no driver", "driver too old (needs …, has …)", "no
  // device".
  std::string reason = {};
  // The CUDA version that the driver knows, and that of the libraries; empty: none.
  std::string driver = {}, runtime = {};
};
CudaDescription describe_cuda();

// "cpu", "cuda" or "reference"; ValueError names what exists otherwise.
Device make_device(const std::string& name, const CpuOptions& cpu = {}, const CudaOptions& cuda = {});

}  // namespace mec
