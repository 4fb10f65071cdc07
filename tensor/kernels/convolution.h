// Convolutions and their gradients. bf16 operands are accumulated in f32, and their result may be
// f32.
//
// A NaN or an infinity reaches every result whose sum contains it. NaN may reach other results as
// well, where a NaN or an infinity is multiplied by zeros of the padding or by zeros that a library
// adds, and the results that an algorithm computes together (Winograd's: 4x4 pixels, or all taps of
// a weight). Such an algorithm overflows some powers of ten earlier than a direct sum.
#pragma once

#include <cstdint>

#include "mec/tensor/in_out.h"
#include "mec/tensor/kernels/batch_norm.h"
#include "mec/tensor/kernels/kernel.h"

namespace mec {

// Applies to both spatial axes; kernel sizes come from the weight.
struct Conv2dArgs {
  std::int64_t stride = 1;
  std::int64_t pad = 0;
  std::int64_t dilation = 1;
  std::int64_t groups = 1;
  // Gradients only: add into the result instead of overwriting it. A bf16 gradient may be rounded
  // before it is added.
  bool accumulate = false;

  bool operator==(const Conv2dArgs&) const = default;
};

namespace kernel {

// Operations of a convolution, and of each of its two gradients: two for each multiply-add, padding
// included. Each element of y takes the weights (Kh,Kw,C/groups) of its own output channel.
template <class Y, class W> double convolution_flops(const Y& y, const W& w) {
  return 2.0 * static_cast<double>(y.numel()) * static_cast<double>(w.numel()) / static_cast<double>(w.shape[0]);
}

// NHWC, OHWI -> NHWC
struct Conv2d {
  static constexpr auto name = "conv2d";
  In x, w;
  Out y;
  Conv2dArgs args;

  double flops() const { return convolution_flops(y, w); }
};

// The same, followed by batch norm with known statistics (BatchNormApply), as in evaluation. What
// is between the two need not be rounded.
struct Conv2dBatchNorm {
  static constexpr auto name = "conv2d_batch_norm";
  In x, w, mean, var, gamma, beta, add;
  Out y;
  Conv2dArgs args;
  BatchNormArgs norm;

  double flops() const { return convolution_flops(y, w); }
};

struct Conv2dGradInput {
  static constexpr auto name = "conv2d_grad_input";
  In dy, w;
  Out dx;
  Conv2dArgs args;

  double flops() const { return convolution_flops(dy, w); }
};

// dw (O,Kh,Kw,C/groups)
struct Conv2dGradWeight {
  static constexpr auto name = "conv2d_grad_weight";
  In dy, x;
  Out dw;
  Conv2dArgs args;

  double flops() const { return convolution_flops(dy, dw); }
};

}  // namespace kernel

using ConvolutionKernels = Family<kernel::Conv2d, kernel::Conv2dBatchNorm, kernel::Conv2dGradInput, kernel::Conv2dGradWeight>;

// For a device that does one after the other.
template <class D> void run_in_turn(D& device, const kernel::Conv2dBatchNorm& call) {
  device.run(kernel::Conv2d{call.x, call.w, call.y, call.args});
  device.run(kernel::BatchNormApply{call.y, call.mean, call.var, call.gamma, call.beta, call.add, call.y, call.norm});
}

}  // namespace mec
