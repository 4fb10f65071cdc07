#include "mec/tensor/ops/coding.h"

#include "mec/tensor/ops/common.h"

namespace mec {
using namespace ops;

namespace {

std::vector<In> check_powers(const char* op, const std::vector<Tensor>& powers) {
  check<ValueError>(!powers.empty(), op, ": at least one power is needed");
  std::vector<In> views;
  for (const Tensor& c : powers) {
    check_rank(op, c, 2, "a power", "a square matrix");
    check_real(op, c, "a power");
    check<ShapeError>(c.dim(0) == c.dim(1) && c.shape() == powers[0].shape() && c.numel() > 0, op,
                      ": powers are square and of one size, which is not 0, but got ", powers[0].shape(), " and ", c.shape());
    check_dtype(op, c, powers[0].dtype(), "a power");
    views.emplace_back(c);
  }
  return views;
}

}  // namespace

Tensor power_traces(const std::vector<Tensor>& powers, std::int64_t order) {
  const auto views = check_powers("power_traces", powers);
  check<ValueError>(order >= 1 && static_cast<std::int64_t>(powers.size()) == (order + 1) / 2, "power_traces: order ", order,
                    " needs ", (order + 1) / 2, " powers, but got ", powers.size());
  Tensor traces({order}, powers[0].dtype(), powers[0].device());
  traces.backend().run(kernel::PowerTraces{views, traces});
  return traces;
}

Tensor matrix_polynomial(const std::vector<Tensor>& powers, const std::vector<double>& coefficients) {
  const auto views = check_powers("matrix_polynomial", powers);
  check<ValueError>(coefficients.size() == powers.size() + 1, "matrix_polynomial: ", powers.size(), " powers need ",
                    powers.size() + 1, " coefficients, but got ", coefficients.size());
  Tensor y(powers[0].shape(), powers[0].dtype(), powers[0].device());
  y.backend().run(kernel::MatrixPolynomial{views, coefficients, y});
  return y;
}

Tensor symmetrize(const Tensor& x) {
  check_powers("symmetrize", {x});
  Tensor y(x.shape(), x.dtype(), x.device());
  x.backend().run(kernel::Symmetrize{x, y});
  return y;
}

Tensor coding_scale(const Tensor& lambda, const Tensor& u, const Tensor& v, const CodingScaleArgs& args) {
  check_real("coding_scale", u, "u");
  check_dtype("coding_scale", v, u.dtype(), "v, like u,");
  check_dtype("coding_scale", lambda, u.dtype(), "lambda, like u,");
  check<ShapeError>(lambda.numel() == 1, "coding_scale: lambda has one element, but got ", lambda.shape());
  check_device("coding_scale", {&lambda, &u, &v});
  Tensor scale({3}, u.dtype(), u.device());
  u.backend().run(kernel::CodingScale{lambda, u, v, scale, args});
  return scale;
}

Tensor coding_loss(const Tensor& traces, const Tensor& scale, const CodingLossArgs& args) {
  check_real("coding_loss", traces, "the traces");
  check_dtype("coding_loss", scale, traces.dtype(), "the scale, like the traces,");
  check<ShapeError>(traces.numel() >= args.order && scale.numel() == 3, "coding_loss: order ", args.order,
                    " and a scale of 3 values, but got ", traces.shape(), " and ", scale.shape());
  Tensor result({2}, traces.dtype(), traces.device());
  traces.backend().run(kernel::CodingLoss{traces, scale, result, args});
  return result;
}

}  // namespace mec
