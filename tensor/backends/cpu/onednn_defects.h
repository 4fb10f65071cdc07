// Convolutions that oneDNN's kernels get wrong. They never reach it: our portable kernels compute
// them instead (docs/convolution.md).
#pragma once

#include <string>

#include "mec/tensor/backends/cpu/onednn.h"

namespace mec::cpu {

constexpr int version_number(int major, int minor, int patch) {
  return 10000 * major + 100 * minor + patch;
}

struct OneDnnDefect {
  const char* name;
  int fixed_in;                                                     // the first version without it
  bool (*concerns)(const ConvKey& key, const std::string& kernel);  // oneDNN's name for it
};

// The defect that this version's kernel has for these sizes; null when none is known.
const OneDnnDefect* find_defect(const ConvKey& key, const std::string& kernel, int version);

}  // namespace mec::cpu
