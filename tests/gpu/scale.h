// How large tests may be: a GPU made of software (tests/software_gpu) has no use for large tensors,
// and takes a thousand times as long.
#pragma once

#include "mec/tensor/devices.h"

namespace mec::test {

inline bool on_software() { return describe_cuda().devices.front().name == "software GPU"; }

}  // namespace mec::test
