// Pooling of NHWC images.
#pragma once

#include <cstdint>

#include "mec/tensor/in_out.h"
#include "mec/tensor/kernels/kernel.h"

namespace mec {

struct Pool2dArgs {
  std::int64_t kernel = 3;
  std::int64_t stride = 2;
  std::int64_t pad = 1;
};

namespace kernel {

// argmax u8: index within the window of the largest, the first of equals. NaN is larger than all,
// and the last NaN of a window is taken.
struct MaxPool2d {
  static constexpr auto name = "max_pool2d";
  In x;
  Out y, argmax;
  Pool2dArgs args;
};

// Where argmax names no pixel of its window, that gradient is dropped.
struct MaxPool2dGrad {
  static constexpr auto name = "max_pool2d_grad";
  In dy, argmax;
  Out dx;
  Pool2dArgs args;
};

// (N,H,W,C) -> (N,C)
struct GlobalAvgPool {
  static constexpr auto name = "global_avg_pool";
  In x;
  Out y;
};

struct GlobalAvgPoolGrad {
  static constexpr auto name = "global_avg_pool_grad";
  In dy;
  Out dx;
};

}  // namespace kernel

using PoolingKernels = Family<kernel::MaxPool2d, kernel::MaxPool2dGrad, kernel::GlobalAvgPool, kernel::GlobalAvgPoolGrad>;

}  // namespace mec
