// What makes the same cuDNN plan again: which engine, and how its knobs stand.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

namespace mec::cuda {

struct EngineChoice {
  // Its global index, of one version of cuDNN.
  std::int64_t engine = 0;
  std::vector<std::pair<std::int64_t, std::int64_t>> knobs;  // (type, value)
  bool operator==(const EngineChoice&) const = default;
};

}  // namespace mec::cuda
