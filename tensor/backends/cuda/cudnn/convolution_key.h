// The key of a convolution plan: all that the plan depends on. Letters: N batch, H W C image, O
// output channels, Kh Kw kernel.
#pragma once

#include <cstddef>
#include <cstdint>
#include <iosfwd>

#include "mec/tensor/dtype.h"
#include "mec/tensor/kernels/convolution.h"

namespace mec::cuda {

enum class ConvolutionDirection : std::uint8_t { forward, grad_input, grad_weight };

constexpr const char* name_of(ConvolutionDirection direction) {
  switch (direction) {
    case ConvolutionDirection::forward: return "forward";
    case ConvolutionDirection::grad_input: return "grad_input";
    case ConvolutionDirection::grad_weight: return "grad_weight";
  }
  return "?";
}

// Images are NHWC and weights OHWI, dense, each starting at a multiple of kConvolutionAlignment
// bytes.
inline constexpr std::int64_t kConvolutionAlignment = 16;

struct ConvolutionKey {
  ConvolutionDirection direction = ConvolutionDirection::forward;
  std::int64_t n = 0, h = 0, w = 0, c = 0;  // the input
  std::int64_t o = 0, kh = 0, kw = 0;
  std::int64_t stride = 1, pad = 0, dilation = 1, groups = 1;
  Dtype operands = Dtype::f32;
  Dtype result = Dtype::f32;
  bool accumulate = false;  // gradients: add to the result
  // F32 operands may be rounded to 10 bits of mantissa, for the tensor cores.
  bool tf32 = false;
  bool deterministic = true;  // the same bits at every run

  // The dtype of the tensor that the direction `written` writes: forward y, grad_input x,
  // grad_weight w.
  Dtype dtype_of(ConvolutionDirection written) const { return direction == written ? result : operands; }
  bool operator==(const ConvolutionKey&) const = default;
};

// visit(name, field) for each field, in order. A field that is added to the key and not here does
// not compile.
template <class Key, class Visit> void visit_fields(Key& key, Visit&& visit) {
  auto& [direction, n, h, w, c, o, kh, kw, stride, pad, dilation, groups, operands, result, accumulate, tf32, deterministic] =
      key;
  visit("direction", direction);
  visit("n", n);
  visit("h", h);
  visit("w", w);
  visit("c", c);
  visit("o", o);
  visit("kh", kh);
  visit("kw", kw);
  visit("stride", stride);
  visit("pad", pad);
  visit("dilation", dilation);
  visit("groups", groups);
  visit("operands", operands);
  visit("result", result);
  visit("accumulate", accumulate);
  visit("tf32", tf32);
  visit("deterministic", deterministic);
}

struct ConvolutionKeyHash {
  std::size_t operator()(const ConvolutionKey& key) const {
    std::size_t hash = 0;
    visit_fields(key, [&hash](const char*, auto field) {
      hash = (hash ^ static_cast<std::size_t>(field)) * 0x9e3779b97f4a7c15ULL;
      hash ^= hash >> 32;
    });
    return hash;
  }
};

// "grad_weight bf16->bf16 x (256,56,56,64) w (64,3,3,64) stride 1 pad 1 …", for messages.
std::ostream& operator<<(std::ostream& out, const ConvolutionKey& key);

// How f32 operands are multiplied, and whether runs must agree to the bit.
struct ConvolutionPolicy {
  bool tf32 = false;
  bool deterministic = true;
};

// The key of a backend's call. x and w are the shapes of input and weight in every direction.
ConvolutionKey make_key(ConvolutionDirection direction, const Shape& x, const Shape& w, Dtype operands, Dtype result,
                        const Conv2dArgs& args, const ConvolutionPolicy& policy = {});
ConvolutionKey make_key(const kernel::Conv2d& call, const ConvolutionPolicy& policy = {});
ConvolutionKey make_key(const kernel::Conv2dGradInput& call, const ConvolutionPolicy& policy = {});
ConvolutionKey make_key(const kernel::Conv2dGradWeight& call, const ConvolutionPolicy& policy = {});

// (N,H,W,C), (O,Kh,Kw,C/groups) and (N,Ho,Wo,O); the last a ShapeError where the window does not
// fit.
Shape input_shape(const ConvolutionKey& key);
Shape weight_shape(const ConvolutionKey& key);
Shape output_shape(const ConvolutionKey& key);

}  // namespace mec::cuda
