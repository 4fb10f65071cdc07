// How much of the machine's processors a control group (a container, a batch job) leaves to this
// process.
#pragma once

#include <filesystem>

namespace mec::cpu {

// Processors whose time the process may use, as a quota of version 1 or 2 says it, the least of the
// groups that it lies in; infinity where there is none. `root` is the folder that holds proc and
// sys.
double cgroup_processors(const std::filesystem::path& root = "/");

}  // namespace mec::cpu
