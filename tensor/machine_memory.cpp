#include "mec/tensor/machine_memory.h"

#include <sys/sysinfo.h>

#include "mec/tensor/cgroup.h"

namespace mec {

namespace {

std::uint64_t ask() {
  struct sysinfo machine {};
  if (sysinfo(&machine) != 0) return INT64_MAX;
  const std::uint64_t bytes = (std::uint64_t{machine.totalram} + machine.totalswap) * machine.mem_unit;
  const double most = cgroup_memory();
  return most < static_cast<double>(bytes) ? static_cast<std::uint64_t>(most) : bytes;
}

}  // namespace

std::uint64_t machine_memory() {
  static const std::uint64_t bytes = ask();
  return bytes;
}

}  // namespace mec
