// How much memory a program can have here.
#pragma once

#include <cstdint>

namespace mec {

// Bytes of memory and swap that the machine has, or that the control group (a container, a batch
// job) may have, if that is less. Linux may grant more, but kills the program that writes to it.
std::uint64_t machine_memory();

}  // namespace mec
