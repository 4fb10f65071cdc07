// Room for what libraries take without asking.
#pragma once

#include <cstddef>

namespace mec::cpu {

// MemoryError where a limit on addresses (ulimit -v) leaves fewer than so many bytes. To be called
// before a library that does not bear a refusal: oneDNN then runs code that is not there, and
// OpenBLAS asks for ever.
void check_addresses(std::size_t bytes, const char* what);

}  // namespace mec::cpu
