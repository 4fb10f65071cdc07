// The ceiling of all arithmetic: multiply-adds on values that never leave the registers.
#include "mec/tensor/backends/cpu/isa.h"
#include "mec/tensor/backends/cpu/tile_product.h"

namespace mec::cpu::MEC_ISA {

double multiply_adds(std::int64_t steps) noexcept {
  typedef float Vector __attribute__((vector_size(kVectorBytes)));
  constexpr int kChains = 10;  // two units of latency four need eight; all fit in sixteen registers
  Vector x[kChains], factor, step;
  for (std::int64_t lane = 0; lane < kLanes<float>; ++lane) {
    factor[lane] = 0.5F;
    step[lane] = static_cast<float>(lane);
  }
  for (Vector& chain : x) chain = step;
  for (std::int64_t i = 0; i < steps; ++i) {
#pragma GCC unroll 10
    for (int chain = 0; chain < kChains; ++chain) x[chain] = x[chain] * factor + step;
  }
  volatile float sink = 0;
  for (const Vector& chain : x) sink = sink + chain[0];
  return 2.0 * kChains * static_cast<double>(kLanes<float>) * static_cast<double>(steps);
}

}  // namespace mec::cpu::MEC_ISA
