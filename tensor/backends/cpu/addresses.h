// Checks that the address space has room for what libraries map themselves.
#pragma once

#include <cstddef>

namespace mec::cpu {

// MemoryError where a limit on the address space (ulimit -v) leaves fewer than `bytes`. Call it
// before a library that does not survive a failed mapping: oneDNN then jumps to code that does not
// exist, and OpenBLAS retries for ever.
void check_addresses(std::size_t bytes, const char* what);

}  // namespace mec::cpu
