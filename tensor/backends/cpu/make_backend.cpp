#include "mec/tensor/backends/cpu/isa.h"
#include "mec/tensor/backends/cpu/loops.h"

namespace mec::cpu::MEC_ISA {

CpuBackend* make_backend(const CpuOptions& options) { return new LoopsBackend(options); }

}  // namespace mec::cpu::MEC_ISA
