#include "mec/nn/linear.h"

#include "mec/autograd/ops/matmul.h"
#include "mec/nn/initialize.h"

namespace mec {

Linear::Linear(const LinearOptions& options, const Placement& where) {
  check<ValueError>(options.in > 0 && options.out > 0, "Linear: sizes are at least 1, but in is ", options.in, " and out ",
                    options.out);
  weight = make_parameter({options.out, options.in}, where, ParameterKind::weight, fan_in_uniform(options.in));
  if (options.bias) bias = make_parameter({options.out}, where, ParameterKind::bias, fan_in_uniform(options.in));
}

Variable Linear::forward(const Variable& x, const Pass&) const { return linear(x, weight, bias); }

void Linear::visit(const std::string& prefix, Visitor& visitor) {
  visitor.parameter(prefix + "weight", weight);
  if (bias) visitor.parameter(prefix + "bias", bias);
}

}  // namespace mec
