// VICReg and SimCLR in Variables, to be compared with their forms with gradients by hand.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "mec/autograd/ops.h"
#include "mec/ssl/methods/autograd_objective.h"
#include "mec/ssl/methods/methods.h"
#include "mec/tensor/ops.h"

namespace mec::test {

class AutogradVicReg : public AutogradObjective {
 public:
  AutogradVicReg() : AutogradObjective({.metrics = {"loss", "invariance", "variance", "covariance"}, .symmetric = true}) {}
  std::string name() const override { return "vicreg"; }
  std::vector<Variable> forward(const Variable& p, const Variable& z) const override {
    const Variable invariance = 25 * mean(square(p - z));
    const Terms a = regularize(p), b = regularize(z);
    const Variable variance = 25 * (a.variance + b.variance);
    const Variable covariance = a.covariance + b.covariance;
    return {invariance + variance + covariance, invariance, variance, covariance};
  }

 private:
  struct Terms {
    Variable variance, covariance;
  };
  static Terms regularize(const Variable& side) {
    const auto m = static_cast<double>(side.shape()[0]), d = static_cast<double>(side.shape()[1]);
    const Variable x = side - mean(side, 0);
    const Variable variances = sum(square(x), 0) / (m - 1);
    const Variable covariance = matmul(transpose(x), x) / (m - 1);
    return {.variance = mean(relu(1 - sqrt(variances + 1e-4))),
            .covariance = (sum(square(covariance)) - sum(square(variances))) / d};
  }
};

class AutogradSimClr : public AutogradObjective {
 public:
  AutogradSimClr(std::int64_t batch, Dtype dtype, const Device& device)
      : AutogradObjective({.metrics = {"loss", "cosine"}, .symmetric = true}) {
    std::vector<std::int32_t> partners;
    for (std::int64_t i = 0; i < 2 * batch; ++i) partners.push_back(static_cast<std::int32_t>((i + batch) % (2 * batch)));
    partners_ = Tensor::from(partners, {2 * batch}, device);
    self_ = Variable(matrix_polynomial({Tensor::zeros({2 * batch, 2 * batch}, dtype, device)}, {1e5, 0.0}));
  }
  std::string name() const override { return "simclr"; }
  std::vector<Variable> forward(const Variable& p, const Variable& z) const override {
    const std::int64_t m = p.shape()[0];
    const Variable y = normalize_rows(cat({p, z}));
    const Variable logits = matmul(y, transpose(y)) / 0.2 - self_;
    return {cross_entropy(logits, partners_, 2 * m), mean(sum(slice(y, 0, m) * slice(y, m, 2 * m), 1))};
  }

 private:
  Tensor partners_;  // (2m) i32
  Variable self_;    // (2m,2m), large where a row meets itself
};

inline std::unique_ptr<PairObjective> with_defaults(const std::string& method, std::int64_t batch, Dtype dtype,
                                                    const Device& device) {
  PretrainSettings settings;
  choose_method(settings, method);
  settings.train.batch = batch;
  return make_objective(settings, device, dtype);
}

inline std::unique_ptr<PairObjective> in_variables(const std::string& method, std::int64_t batch, Dtype dtype,
                                                   const Device& device) {
  if (method == "vicreg") return std::make_unique<AutogradVicReg>();
  return std::make_unique<AutogradSimClr>(batch, dtype, device);
}

}  // namespace mec::test
