// How to get a device.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "mec/tensor/tensor.h"

namespace mec {

// Whose convolutions and products a CPU device runs.
//
// own: ours, on threads of our own. Results do not depend on the number of threads, and a busy
// processor delays only the work that is on it. Decompositions are ours, too, so that this is what
// a build without libraries does.
// libraries: oneDNN's and OpenBLAS's, on OpenMP's threads, where they have a kernel.
// automatic: whichever was measured to be faster on such a processor. Decompositions are LAPACK's.
enum class CpuKernels { automatic, own, libraries };

// How convolutions take bf16 operands: as they are, or widened to f32, which costs the memory of
// some images and loses nothing. automatic: whichever is faster on this processor.
enum class Bf16Convolution { automatic, native, widened };

struct CpuOptions {
  // 0: what OMP_NUM_THREADS or the caller set, or one for each processor (see
  // backends/cpu/threads.h).
  int threads = 0;
  CpuKernels kernels = CpuKernels::automatic;
  Bf16Convolution bf16 = Bf16Convolution::automatic;
  // Called with a warning where threads cannot be had, or wait for processors.
  std::function<void(const std::string&)> note = {};
};

// The fast CPU backend: our own kernels, and oneDNN, OpenBLAS and LAPACK where they were found at
// build time and are wanted.
Device make_cpu_device(const CpuOptions& options = {});

// What make_cpu_device() uses on this machine.
struct CpuDescription {
  std::string instruction_set;  // of our own loops: as MEC_MAX_CPU_ISA names them
  int threads = 1;
  std::string threads_reason = {};  // where their number comes from
  bool own_kernels = true;          // convolutions and products are ours, on threads of our own
  bool widens_bf16 = false;         // bf16 convolutions are computed in f32
};
CpuDescription describe_cpu(const CpuOptions& options = {});
bool has_cpu_libraries();  // whether this build knows CpuKernels::libraries

// The measured peak, in f32 operations a second: multiply-adds in registers on all threads. No
// kernel can exceed it.
double peak_flops(const CpuOptions& options = {});

// Plain loops in the order of the formulas: the specification that every other backend is tested
// against. f32, f64 and bf16.
Device make_reference_device();

struct CudaOptions {
  int device = 0;  // its number in describe_cuda().devices
  // F32 operands of products and convolutions may be rounded to 10 bits of mantissa, for the tensor
  // cores.
  bool tf32 = false;
  bool deterministic = true;  // only convolutions that give the same bits at every run
  // Measures cuDNN's engines for each convolution and uses the fastest, rather than the one that
  // cuDNN expects to be fastest.
  bool tune = false;
  // Where not empty: a file that chosen engines are read from and kept in. ValueError where they
  // were chosen under other values of tf32 or deterministic.
  std::string plan_file = {};
  // Called with the reason why a plan file is not used: results may then differ in their last bits.
  std::function<void(const std::string&)> note = {};
};

// An NVIDIA GPU: cuDNN's convolutions, cuBLASLt's products, cuSOLVER's decompositions, and
// hand-written kernels. Activations are f32 or bf16. Kernels run asynchronously. Only one host
// thread at a time may use the device. DeviceError, with the reason, where there is none.
Device make_cuda_device(const CudaOptions& options = {});

struct CudaDeviceDescription {
  std::string name;
  std::size_t memory = 0;  // bytes
  int capability_major = 0, capability_minor = 0;
  int multiprocessors = 0;
  std::string uuid = {};  // of the device, whichever number it has in this process; 32 digits
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
