// How much memory a program can have here.
#pragma once

#include <cstdint>

namespace mec {

// Bytes of memory and swap that the machine has, or that the control group (a container, a batch
// job) may have, if that is less. More can never be written to, though the system promises it:
// Linux then ends the program.
std::uint64_t machine_memory();

}  // namespace mec
