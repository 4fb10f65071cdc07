#include "mec/tensor/backends/cpu/isa.h"

#include <algorithm>
#include <cstdlib>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "mec/tensor/backends/cpu/kernel_choice.h"
#include "mec/tensor/backends/cpu/parallel.h"
#include "mec/tensor/backends/cpu/threads.h"
#include "mec/tensor/clock.h"

namespace mec {
namespace cpu {
namespace {

// How many of the instruction sets below the environment allows.
std::size_t allowed_isas() {
  constexpr const char* names[] = {"baseline", "avx2", "avx512", "avx512_bf16"};
  const char* const wanted = std::getenv("MEC_MAX_CPU_ISA");
  if (!wanted) return std::size(names);
  const auto at = std::find(std::begin(names), std::end(names), std::string(wanted));
  check<ValueError>(at != std::end(names),
                    "MEC_MAX_CPU_ISA is baseline, avx2, avx512 or avx512_bf16, but the environment has '", wanted,
                    "'; unset it for the best that the processor has");
  return static_cast<std::size_t>(at - std::begin(names)) + 1;
}

}  // namespace

std::vector<IsaVariant> supported_isas() {
  std::vector<IsaVariant> isas{{"baseline", baseline::make_backend, baseline::multiply_adds}};
  // The same features as the levels v3 and v4 of x86-64, without those that no loop of ours can
  // use.
#if MEC_ISA_AVX2
  const bool v3 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi") &&
                  __builtin_cpu_supports("bmi2");
  if (v3) isas.push_back({"avx2", avx2::make_backend, avx2::multiply_adds});
#endif
#if MEC_ISA_AVX512
  if (v3 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512cd") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")) {
    isas.push_back({"avx512", avx512::make_backend, avx512::multiply_adds});
    if (has_fast_avx512_bf16()) isas.push_back({"avx512_bf16", avx512::make_bf16_backend, avx512::multiply_adds, true});
  }
#endif
#if defined(__AVX512F__) && !MEC_ISA_AVX512
  if (has_fast_avx512_bf16()) isas.push_back({"avx512_bf16", baseline::make_bf16_backend, baseline::multiply_adds, true});
#endif
  isas.resize(std::min(isas.size(), allowed_isas()));
  return isas;
}

}  // namespace cpu

Device make_cpu_device(const CpuOptions& options) {
  check<ValueError>(options.threads >= 0, "cpu: the number of threads is not negative, but is ", options.threads);
  return Device(cpu::supported_isas().back().make(options));
}

CpuDescription describe_cpu(const CpuOptions& options) {
  const bool own = cpu::uses_own_products(options);
  cpu::Threads threads = cpu::choose_threads(options.threads, !own);
  return {.instruction_set = cpu::supported_isas().back().name,
          .threads = threads.count,
          .threads_reason = std::move(threads.reason),
          .own_kernels = own,
          .widens_bf16 = cpu::widens_bf16(options)};
}

double peak_flops(const CpuOptions& options) {
  const auto multiply_adds = cpu::supported_isas().back().multiply_adds;
  const bool own = cpu::uses_own_products(options);
  const int threads = cpu::choose_threads(options.threads, !own).count;
  constexpr std::int64_t kSteps = 1 << 21;  // some milliseconds
  const auto pool = own ? std::make_unique<cpu::ThreadPool>(threads) : nullptr;
  std::vector<double> done(static_cast<std::size_t>(threads));
  double* const operations = done.data();
  double best = 0;
  // The best counts: whatever else the machine does only slows a round down.
  for (int round = 0; round < 10; ++round) {
    const auto start = std::chrono::steady_clock::now();
    cpu::common::parallel_tasks({threads, pool.get()}, threads,
                                [=](std::int64_t thread) { operations[thread] = multiply_adds(kSteps); });
    const double seconds = seconds_since(start);
    best = std::max(best, std::accumulate(done.begin(), done.end(), 0.0) / seconds);
  }
  return best;
}

}  // namespace mec
