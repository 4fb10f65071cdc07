#include "mec/nn/classifier.h"

#include <cmath>

namespace mec {

Classifier::Classifier(const ResNetConfig& config, std::int64_t classes, const Placement& where)
    : encoder(config, where), fc({.in = encoder.out_features(), .out = classes}, where) {}

void Classifier::visit(const std::string& prefix, Visitor& visitor) {
  encoder.visit(prefix, visitor);
  fc.visit(prefix + "fc.", visitor);
}

// W(x − mean)/√(var + ε) + b = W'x + (b − W' mean) with W' = W/√(var + ε), in f64.
Linear fold_norm(const BatchNorm& norm, const Linear& linear) {
  const Tensor& weight = linear.weight.value.data();
  const std::int64_t out = weight.dim(0), in = weight.dim(1);
  const auto values = [](const Tensor& t) { return t.to(Dtype::f64).to_vector<double>(); };
  std::vector<double> w = values(weight), b = values(linear.bias.value.data());
  const std::vector<double> mean = values(norm.running.mean), var = values(norm.running.var);
  for (std::size_t o = 0; o < b.size(); ++o) {
    for (std::size_t i = 0; i < mean.size(); ++i) {
      double& scaled = w[o * mean.size() + i];
      scaled /= std::sqrt(var[i] + norm.eps);
      b[o] -= scaled * mean[i];
    }
  }
  const Placement where{weight.device(), weight.dtype()};
  Linear folded({.in = in, .out = out}, where);
  folded.weight.value.assign(Tensor::from(w, {out, in}, where.device).to(where.dtype));
  folded.bias.value.assign(Tensor::from(b, {out}, where.device).to(where.dtype));
  return folded;
}

}  // namespace mec
