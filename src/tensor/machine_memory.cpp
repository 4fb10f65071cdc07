#include "mec/tensor/machine_memory.h"

#include <sys/sysinfo.h>

#include <algorithm>
#include <fstream>

namespace mec {

std::uint64_t machine_memory() {
  struct sysinfo machine {};
  if (sysinfo(&machine) != 0) return INT64_MAX;
  std::uint64_t bytes = (std::uint64_t{machine.totalram} + machine.totalswap) * machine.mem_unit;
  for (const char* limit :
       {"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"}) {
    std::uint64_t most = 0;
    if (std::ifstream(limit) >> most) bytes = std::min(bytes, most);  // "max" is no number
  }
  return bytes;
}

}  // namespace mec
