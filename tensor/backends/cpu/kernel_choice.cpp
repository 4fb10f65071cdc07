#include "mec/tensor/backends/cpu/kernel_choice.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include "mec/tensor/backends/cpu/isa.h"
#include "mec/tensor/backends/cpu/onednn.h"

namespace mec {
namespace cpu {
namespace {

bool is_intel() {
#if defined(__x86_64__)
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  __get_cpuid(0, &eax, &ebx, &ecx, &edx);
  return ebx == signature_INTEL_ebx;
#else
  return false;
#endif
}

bool has_avx512() {
#if defined(__x86_64__)
  return __builtin_cpu_supports("avx512f");
#else
  return false;
#endif
}

// Ours were measured to be as fast as oneDNN's on AMD's processors with AVX2 and with AVX-512, and
// twice as fast beside another busy program (docs/performance.md). Not measured: Intel's with
// AVX-512, of which the newer ones have AMX, too.
bool libraries_are_faster() { return has_onednn() && is_intel() && has_avx512(); }

}  // namespace

bool uses_own_products(const CpuOptions& options) {
  check<ValueError>(options.kernels != CpuKernels::libraries || has_cpu_libraries(),
                    "cpu: kernels of libraries were asked for, but this build has neither oneDNN nor OpenBLAS, or no "
                    "OpenMP for them; take automatic or own");
  if (options.kernels == CpuKernels::automatic) return !has_cpu_libraries() || !libraries_are_faster();
  return options.kernels == CpuKernels::own;
}

bool widens_bf16(const CpuOptions& options) {
  if (options.bf16 != Bf16Convolution::automatic) return options.bf16 == Bf16Convolution::widened;
  if (!uses_own_products(options)) return !onednn_multiplies_bf16();
  return !supported_isas().back().bf16_pairs;
}

// Twice as fast as f32 on AMD's Zen 4 and Intel's Cooper Lake. On Intel's later processors (which
// have AVX512-FP16, too) it runs at half the rate of f32: they have AMX for it, but a virtual
// machine may hide that.
bool has_fast_avx512_bf16() {
#if defined(__x86_64__)
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  if (!__builtin_cpu_supports("avx512bf16") || !__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx)) return false;
  const bool avx512_fp16 = (edx >> 23 & 1U) != 0;
  return !(is_intel() && avx512_fp16);
#else
  return false;
#endif
}

}  // namespace cpu

bool has_cpu_libraries() {
#if MEC_HAVE_OPENMP && (MEC_HAVE_ONEDNN || MEC_HAVE_BLAS)
  return true;
#else
  return false;
#endif
}

}  // namespace mec
