#include "mec/autograd/gradcheck.h"

#include <algorithm>
#include <cmath>

#include "mec/tensor/ops/elementwise.h"
#include "mec/tensor/philox.h"

namespace mec {

namespace {

std::vector<Variable> leaves(const std::vector<Tensor>& inputs, bool requires_grad) {
  std::vector<Variable> variables;
  for (const Tensor& x : inputs) variables.emplace_back(x.clone(), requires_grad);
  return variables;
}

// ⟨cotangent, f(inputs)⟩ with element j of input i moved by `step`.
double moved_value(const std::function<Variable(const std::vector<Variable>&)>& f, const std::vector<Tensor>& inputs,
                   const Tensor& cotangent, std::size_t i, std::size_t j, double step) {
  std::vector<Tensor> moved = inputs;
  auto values = inputs[i].to_vector<double>();
  values[j] += step;
  moved[i] = Tensor::from(values, inputs[i].shape(), inputs[i].device());
  return sum(mul(f(leaves(moved, false)).data(), cotangent)).item();
}

}  // namespace

GradcheckResult gradcheck(const std::function<Variable(const std::vector<Variable>&)>& f, const std::vector<Tensor>& inputs,
                          const GradcheckOptions& options) {
  for (const Tensor& x : inputs) {
    check<DtypeError>(x.dtype() == Dtype::f64, "gradcheck: differences need f64 inputs, but one is ", x.dtype());
  }
  const std::vector<Variable> variables = leaves(inputs, true);
  const Variable y = f(variables);
  const Tensor cotangent = random(y.shape(), Dtype::f64, y.data().device(),
                                  {.seed = options.seed, .stream = {0, static_cast<std::uint32_t>(Purpose::test) << 16, 0}});
  backward({y}, {cotangent});

  GradcheckResult result{.ok = true, .worst = -1, .message = ""};
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const Tensor grad = variables[i].grad();
    const auto analytic =
        grad ? grad.to_vector<double>() : std::vector<double>(static_cast<std::size_t>(inputs[i].numel()), 0.0);
    for (std::size_t j = 0; j < analytic.size(); ++j) {
      const double up = moved_value(f, inputs, cotangent, i, j, options.step);
      const double down = moved_value(f, inputs, cotangent, i, j, -options.step);
      const double numeric = (up - down) / (2 * options.step);
      const double difference = std::fabs(analytic[j] - numeric) / std::max(1.0, std::fabs(numeric));
      if (difference <= result.worst) continue;  // false for NaN, which must not pass
      result.worst = difference;
      result.message = concat("input ", i, " element ", j, ": the rule gives ", analytic[j], ", differences give ", numeric);
      if (!(difference <= options.tolerance)) result.ok = false;
      if (std::isnan(difference)) return result;
    }
  }
  return result;
}

}  // namespace mec
