#include "mec/nn/batch_norm.h"

namespace mec {

namespace {

// After all parts, each has the weight momentum / parts in the running statistics: later parts
// shrink those before them.
double momentum_of(double momentum, const Pass& pass) {
  const double weight = momentum / static_cast<double>(pass.parts);
  return weight / (1 - static_cast<double>(pass.parts - 1 - pass.part) * weight);
}

}  // namespace

BatchNorm::BatchNorm(const BatchNormLayerOptions& options, const Placement& where)
    : channels(options.channels), eps(options.eps), momentum(options.momentum) {
  check<ValueError>(channels > 0, "BatchNorm: at least one channel, but got ", channels);
  const Shape shape{channels};
  if (options.affine) {
    weight = make_parameter(shape, where, ParameterKind::norm, {Initializer::Kind::constant, options.initial_gamma});
    bias = make_parameter(shape, where, ParameterKind::norm, {Initializer::Kind::constant, 0.0});
  }
  running = {Tensor::full(shape, 0.0, where.dtype, where.device), Tensor::full(shape, 1.0, where.dtype, where.device)};
}

Variable BatchNorm::forward(const Variable& x, const Pass& pass) const { return forward_fused(x, {}, pass); }

Variable BatchNorm::forward_fused(const Variable& x, const BatchNormFusion& fusion, const Pass& pass) const {
  check<ShapeError>(x.data().rank() >= 2 && x.data().dim(-1) == channels, "BatchNorm: made for ", channels,
                    " channels, but the input is ", x.shape(), " (channels come last)");
  return batch_norm(x, weight, bias, fusion.residual, running,
                    {.eps = eps,
                     .momentum = momentum_of(momentum, pass),
                     .relu = fusion.relu,
                     .training = pass.training,
                     .update_running = pass.update_running,
                     .across = pass.across});
}

void BatchNorm::visit(const std::string& prefix, Visitor& visitor) {
  if (weight) {
    visitor.parameter(prefix + "weight", weight);
    visitor.parameter(prefix + "bias", bias);
  }
  visitor.buffer(prefix + "running_mean", running.mean);
  visitor.buffer(prefix + "running_var", running.var);
}

}  // namespace mec
