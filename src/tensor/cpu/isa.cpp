#include "mec/tensor/cpu/isa.h"

#include "mec/tensor/cpu/threads.h"

namespace mec {
namespace cpu {

std::vector<IsaVariant> supported_isas() {
  std::vector<IsaVariant> isas{{"baseline", baseline::make_backend}};
  // The same sets as the levels v3 and v4 of x86-64, without what no loop of ours can use.
#if MEC_ISA_AVX2
  const bool v3 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi") &&
                  __builtin_cpu_supports("bmi2");
  if (v3) isas.push_back({"avx2", avx2::make_backend});
#endif
#if MEC_ISA_AVX512
  if (v3 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512cd") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")) {
    isas.push_back({"avx512", avx512::make_backend});
  }
#endif
  return isas;
}

}  // namespace cpu

Device make_cpu_device(const CpuOptions& options) {
  check<ValueError>(options.threads >= 0, "cpu: the number of threads is not negative, but is ", options.threads);
  return Device(cpu::supported_isas().back().make(options));
}

CpuDescription describe_cpu(const CpuOptions& options) {
  return {.instruction_set = cpu::supported_isas().back().name, .threads = cpu::thread_count(options.threads)};
}

}  // namespace mec
