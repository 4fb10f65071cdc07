// Convolutions and products by oneDNN, f32 and bf16. In a build without oneDNN every request
// returns null.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "mec/tensor/backends/cpu/backend.h"

namespace mec::cpu {

// The key of a convolution's plan: all that the plan depends on.
struct ConvKey {
  ConvDirection direction;
  Shape x, w, y;
  Dtype operands, result;
  std::int64_t stride, pad, dilation, groups;
  bool accumulate;
  int threads = 1;  // that the plan divides its work among
  bool operator==(const ConvKey&) const = default;
};

// A primitive for given sizes, with the reorders around it. Its workspace belongs to the caller.
class OneDnnPlan {
 public:
  virtual ~OneDnnPlan() = default;
  virtual std::size_t workspace_bytes() const = 0;
  // Not thread-safe: callers take turns.
  virtual void run(const void* a, const void* b, void* result, std::byte* workspace) = 0;
  virtual std::string kernel() const = 0;  // oneDNN's name for it
};

bool has_onednn();
bool onednn_multiplies_bf16();  // and faster than f32

// Keeps plans by their keys. Making one costs up to 20 ms; finding it again costs nothing.
class OneDnn {
 public:
  OneDnn();
  ~OneDnn();

  // Null when oneDNN has nothing but its reference kernel, which is a hundred times slower than our
  // portable one, and for what its kernel gets wrong (onednn_defects.h). Call these, and run their
  // plans, within a ThreadScope.
  OneDnnPlan* convolution(ConvDirection, const In& a, const In& b, const In& result, const Conv2dArgs&);
  OneDnnPlan* matmul(const In& a, const In& result, const MatmulArgs&);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace mec::cpu
