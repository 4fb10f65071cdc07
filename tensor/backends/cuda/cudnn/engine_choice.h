// What it takes to make the same cuDNN plan again: the engine, and the values of its knobs.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

namespace mec::cuda {

struct EngineChoice {
  // Its global index, which is valid for one version of cuDNN only.
  std::int64_t engine = 0;
  std::vector<std::pair<std::int64_t, std::int64_t>> knobs;  // (type, value)
  bool operator==(const EngineChoice&) const = default;
};

}  // namespace mec::cuda
