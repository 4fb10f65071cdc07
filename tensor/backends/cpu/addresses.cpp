#include "mec/tensor/backends/cpu/addresses.h"

#include <sys/mman.h>
#include <sys/resource.h>

#include "mec/tensor/error.h"

namespace mec::cpu {

void check_addresses(std::size_t bytes, const char* what) {
  rlimit limit{};
  if (::getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return;
  void* const range = ::mmap(nullptr, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  check<MemoryError>(range != MAP_FAILED, what, " takes ", bytes >> 20, " MiB of addresses, which the limit of ",
                     limit.rlim_cur >> 20,
                     " MiB (ulimit -v) does not leave; raise it, or use a smaller batch or fewer threads");
  ::munmap(range, bytes);
}

}  // namespace mec::cpu
