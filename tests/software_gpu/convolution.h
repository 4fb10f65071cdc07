// A convolution in any layout and in all three directions, by plain loops.
#pragma once

#include <array>
#include <cstdint>

#include "mec/tensor/dtype.h"

namespace mec::software_gpu {

// Sizes and strides in the order N C H W, of weights O C H W; strides in elements.
struct StridedTensor {
  Dtype dtype = Dtype::f32;
  std::array<std::int64_t, 4> sizes{}, strides{};
  void* memory = nullptr;
};

// result = alpha · convolution of the two others + beta · result. Along H and W.
struct Convolution {
  enum class Direction : std::uint8_t { forward, grad_input, grad_weight };
  Direction direction = Direction::forward;
  std::array<std::int64_t, 2> stride{}, pad{}, dilation{};
  bool wide = false;     // sums in f64, else in f32
  bool rounded = false;  // f32 operands are rounded to TF32
  double alpha = 1, beta = 0;
  StridedTensor x, w, y;
};
void convolve(const Convolution& convolution);

}  // namespace mec::software_gpu
