#include "mec/nn/convolution.h"

#include "mec/autograd/ops/convolution.h"
#include "mec/autograd/ops/elementwise.h"
#include "mec/nn/initialize.h"
#include "mec/nn/layout.h"

namespace mec {

Conv2d::Conv2d(const Conv2dOptions& options, const Placement& where)
    : args{.stride = options.stride, .pad = options.pad, .dilation = options.dilation, .groups = options.groups} {
  check<ValueError>(options.in > 0 && options.out > 0 && options.kernel > 0 && options.groups > 0,
                    "Conv2d: sizes are at least 1, but in is ", options.in, ", out ", options.out, ", kernel ", options.kernel,
                    " and groups ", options.groups);
  check<ValueError>(options.in % options.groups == 0 && options.out % options.groups == 0, "Conv2d: ", options.groups,
                    " groups must divide both in = ", options.in, " and out = ", options.out);
  const std::int64_t stored_in = options.stored_in ? options.stored_in : options.in;
  check<ValueError>(stored_in >= options.in && (stored_in == options.in || options.groups == 1),
                    "Conv2d: stored_in is at least in, and equal to it where there are groups, but in is ", options.in, ", stored_in ",
                    stored_in, " and groups ", options.groups);
  const Shape shape{options.out, options.kernel, options.kernel, stored_in / options.groups};
  weight = make_parameter(shape, where, ParameterKind::weight, kaiming_normal(shape));
  if (stored_in != options.in) weight.file_channels = options.in;
  if (options.bias) {
    const std::int64_t fan_in = options.in / options.groups * options.kernel * options.kernel;
    bias = make_parameter({options.out}, where, ParameterKind::bias, fan_in_uniform(fan_in));
  }
}

Variable Conv2d::forward(const Variable& x, const Pass&) const {
  const Variable y = conv2d(x, weight, args);
  return bias ? add(y, to(bias, y.data().dtype())) : y;
}

void Conv2d::visit(const std::string& prefix, Visitor& visitor) {
  visitor.parameter(prefix + "weight", weight);
  if (bias) visitor.parameter(prefix + "bias", bias);
}

}  // namespace mec
