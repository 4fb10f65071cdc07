// Libraries' kernels, in builds that have them.
#pragma once

#include "mec/tensor/devices.h"

namespace mec::test {

inline CpuKernels library_kernels() { return has_cpu_libraries() ? CpuKernels::libraries : CpuKernels::own; }

}  // namespace mec::test
