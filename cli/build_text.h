// What this build has, and what the machine has for it.
#pragma once

#include <string>

namespace mec::cli {

// Lines: version and compiler, libraries, image formats, processor, GPUs.
std::string build_text();

}  // namespace mec::cli
