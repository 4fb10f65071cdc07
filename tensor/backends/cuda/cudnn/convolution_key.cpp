#include "mec/tensor/backends/cuda/cudnn/convolution_key.h"

#include <ostream>

#include "mec/tensor/ops/convolution.h"

namespace mec::cuda {

std::ostream& operator<<(std::ostream& out, const ConvolutionKey& key) {
  out << name_of(key.direction) << ' ' << key.operands << "->" << key.result << " x " << input_shape(key) << " w "
      << weight_shape(key) << " stride " << key.stride << " pad " << key.pad;
  if (key.dilation != 1) out << " dilation " << key.dilation;
  if (key.groups != 1) out << " groups " << key.groups;
  if (key.operands == Dtype::f32) out << (key.tf32 ? " tf32" : " strict");
  return out << (key.accumulate ? " accumulate" : "") << (key.deterministic ? " deterministic" : "");
}

ConvolutionKey make_key(ConvolutionDirection direction, const Shape& x, const Shape& w, Dtype operands, Dtype result,
                        const Conv2dArgs& args, const ConvolutionPolicy& policy) {
  return {.direction = direction,
          .n = x[0],
          .h = x[1],
          .w = x[2],
          .c = x[3],
          .o = w[0],
          .kh = w[1],
          .kw = w[2],
          .stride = args.stride,
          .pad = args.pad,
          .dilation = args.dilation,
          .groups = args.groups,
          .operands = operands,
          .result = result,
          .accumulate = args.accumulate,
          .tf32 = policy.tf32 && operands == Dtype::f32,  // means nothing for other types
          .deterministic = policy.deterministic};
}

ConvolutionKey make_key(const kernel::Conv2d& call, const ConvolutionPolicy& policy) {
  const auto& [x, w, y, args] = call;
  return make_key(ConvolutionDirection::forward, x.shape, w.shape, x.dtype, y.dtype, args, policy);
}
ConvolutionKey make_key(const kernel::Conv2dGradInput& call, const ConvolutionPolicy& policy) {
  const auto& [dy, w, dx, args] = call;
  return make_key(ConvolutionDirection::grad_input, dx.shape, w.shape, dy.dtype, dx.dtype, args, policy);
}
ConvolutionKey make_key(const kernel::Conv2dGradWeight& call, const ConvolutionPolicy& policy) {
  const auto& [dy, x, dw, args] = call;
  return make_key(ConvolutionDirection::grad_weight, x.shape, dw.shape, x.dtype, dw.dtype, args, policy);
}

Shape input_shape(const ConvolutionKey& key) { return {key.n, key.h, key.w, key.c}; }
Shape weight_shape(const ConvolutionKey& key) { return {key.o, key.kh, key.kw, key.c / key.groups}; }
Shape output_shape(const ConvolutionKey& key) {
  return {key.n, conv_out_size("convolution", key.h, key.kh, key.stride, key.pad, key.dilation),
          conv_out_size("convolution", key.w, key.kw, key.stride, key.pad, key.dilation), key.o};
}

}  // namespace mec::cuda
