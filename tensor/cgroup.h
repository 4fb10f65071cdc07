// What a control group (a container, a batch job) leaves of the machine to this process.
#pragma once

#include <filesystem>

namespace mec {

// Each is the smallest limit among the groups that the process is in, of cgroup version 1 or 2;
// infinity where there is no limit. `root` is the folder that holds proc and sys.

// Processors whose time the process may use.
double cgroup_processors(const std::filesystem::path& root = "/");
// Bytes of memory, without swap.
double cgroup_memory(const std::filesystem::path& root = "/");

}  // namespace mec
