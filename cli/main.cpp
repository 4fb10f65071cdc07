#include "mec/cli/program.h"
#include "mec/cli/signals.h"
#include "mec/cli/surroundings.h"

#if MEC_HAVE_BLAS && defined(__GLIBC__)
#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <string_view>

namespace {

// OpenBLAS maps 128 MiB for each thread before main() begins, and retries for ever where a limit on
// addresses (ulimit -v) refuses. So check_addresses() runs before the initialisers of the
// libraries; of the C library it uses system calls alone.
//
// The number of threads that OpenBLAS will take: from the first of these variables that is set, and
// no more than the processors that it may use.
int openblas_threads(char** environment) {
  cpu_set_t allowed;
  const int processors = ::sched_getaffinity(0, sizeof allowed, &allowed) == 0 ? CPU_COUNT(&allowed) : 1;
  for (const std::string_view name : {"OPENBLAS_NUM_THREADS=", "GOTO_NUM_THREADS=", "OMP_NUM_THREADS="}) {
    for (char** entry = environment; *entry; ++entry) {
      std::string_view text = *entry;
      if (!text.starts_with(name)) continue;
      int number = 0;
      for (text.remove_prefix(name.size()); !text.empty() && text[0] >= '0' && text[0] <= '9' && number < processors;) {
        number = 10 * number + (text[0] - '0');
        text.remove_prefix(1);
      }
      if (number > 0) return std::min(number, processors);
    }
  }
  return processors;
}

void check_addresses(int, char**, char** environment) {
  const std::size_t bytes = static_cast<std::size_t>(openblas_threads(environment)) * (std::size_t{128} << 20);
  void* const range = ::mmap(nullptr, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (range != MAP_FAILED) {
    ::munmap(range, bytes);
    return;
  }
  constexpr std::string_view kReason =
      "error: OpenBLAS takes 128 MiB of addresses for each processor, which the limit (ulimit -v) does not leave; raise it, or "
      "set "
      "OPENBLAS_NUM_THREADS=1\n";
  [[maybe_unused]] const auto written = ::write(STDERR_FILENO, kReason.data(), kReason.size());
  ::_exit(1);
}

[[gnu::section(".preinit_array"), gnu::used]] void (*const before_libraries)(int, char**, char**) = check_addresses;

}  // namespace
#endif

int main(int argc, char** argv) {
  mec::cli::prepare_process();
  mec::cli::install_signal_handlers();
  return mec::cli::run_program(argc, argv);
}
