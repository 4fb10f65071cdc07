// The two kinds of plan, and the keys under which they are kept. Private to onednn*.cpp.
#pragma once

#include <array>
#include <memory>
#include <utility>
#include <vector>

#include "mec/tensor/backends/cpu/onednn.h"
#include "mec/tensor/backends/cpu/onednn_api.h"

namespace mec::cpu {

inline dnnl::memory::data_type onednn_type(Dtype dtype) {
  return dtype == Dtype::bf16 ? dnnl::memory::data_type::bf16 : dnnl::memory::data_type::f32;
}

struct MatmulKey {
  std::int64_t m, n, k;
  bool trans_a, trans_b, accumulate;
  Dtype operands, result;
  int threads = 1;
  bool operator==(const MatmulKey&) const = default;
};

// There are some dozens of plans at most, and each runs for milliseconds: a linear search costs
// nothing beside that. A null plan is kept too.
template <class Key> using Plans = std::vector<std::pair<Key, std::unique_ptr<OneDnnPlan>>>;

// Null when there is no optimised kernel.
std::unique_ptr<OneDnnPlan> make_plan(const dnnl::engine& engine, const ConvKey& key);
std::unique_ptr<OneDnnPlan> make_plan(const dnnl::engine& engine, const MatmulKey& key);

}  // namespace mec::cpu
