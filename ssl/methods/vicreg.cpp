// VICReg (Bardes, Ponce & LeCun, ICLR 2022, "Variance-Invariance-Covariance Regularization"): views
// agree, each feature keeps a deviation of 1 over the batch, and features do not covary (equations
// 1 to 6).
#include "mec/ssl/methods/methods.h"
#include "mec/tensor/ops.h"

namespace mec {

namespace {

constexpr double kEps = 1e-4;

struct Weights {
  double invariance, variance, covariance;
};

// The terms that depend on one view alone, with their gradient.
struct Regularized {
  Tensor variance, covariance;  // shape (), unweighted
  // (m,d), of weights.variance·variance + weights.covariance·covariance.
  Tensor gradient;
};

Regularized regularize(const Tensor& z, const Weights& weights, const BatchRows& rows) {
  const auto m = static_cast<double>(rows.count(z)), d = static_cast<double>(z.dim(1));
  const Tensor x = sub(z, rows.statistics(z).mean);
  const Tensor covariance = scale(rows.sum(matmul(x, x, {.trans_a = true})), 1 / (m - 1));
  const Tensor variance = scale(rows.sum(sum(square(x), 0)), 1 / (m - 1));  // the diagonal
  const auto all = [&](double value) { return Tensor::full(variance.shape(), value, z.dtype(), z.device()); };
  const Tensor deviation = sqrt(add(variance, all(kEps)));
  const Tensor missing = sub(all(1.0), deviation);  // positive where the hinge acts

  // Both gradients are combinations of the centred columns, so centring them again changes nothing.
  // Hinge: −1/(d(m − 1))·x/deviation where the deviation is below 1. Covariance: 4/(d(m − 1))·(x
  // cov − x∘var).
  const Tensor slope = unary_grad(UnaryOp::relu, missing, div(all(-weights.variance / (d * (m - 1))), deviation));
  const double factor = 4 * weights.covariance / (d * (m - 1));
  axpby(variance, slope, {.alpha = -factor, .beta = 1.0});
  const Tensor gradient = mul(x, slope);
  matmul_into(scale(x, factor), covariance, gradient, {.accumulate = true});
  return {.variance = scale(sum(relu(missing)), 1 / d),
          .covariance = scale(sub(sum(square(covariance)), sum(square(variance))), 1 / d),
          .gradient = gradient};
}

class VicRegObjective : public PairObjective {
 public:
  explicit VicRegObjective(const Weights& weights)
      : PairObjective({.metrics = {"loss", "invariance", "variance", "covariance"},
                       .symmetric = true,
                       .of_ranks = OfRanks::feature_sums}),
        weights_(weights) {}
  std::string name() const override { return "vicreg"; }

  PairResult pair(const Tensor& p, const Tensor& z, const PairOptions& options) const override {
    check_pair("vicreg", p, z);
    const BatchRows& rows = options.rows;
    check<ShapeError>(rows.count(p) >= 2, "vicreg: a variance needs two rows, but p is ", p.shape());
    const Tensor difference = sub(p, z);
    const auto count = static_cast<double>(rows.count(p) * p.dim(1));
    const Regularized a = regularize(p, weights_, rows), b = regularize(z, weights_, rows);
    const Tensor invariance = scale(rows.sum(sum(square(difference))), options.weight * weights_.invariance / count);
    const Tensor variance = scale(add(a.variance, b.variance), options.weight * weights_.variance);
    const Tensor covariance = scale(add(a.covariance, b.covariance), options.weight * weights_.covariance);
    const double slope = 2 * weights_.invariance / count;
    const auto gradient = [&](const Tensor& own, double sign) {
      axpby(difference, own, {.alpha = sign * slope * options.weight, .beta = options.weight});
      return own;
    };
    return {.metrics = join({add(add(invariance, variance), covariance), invariance, variance, covariance}),
            .dp = options.dp ? gradient(a.gradient, 1) : Tensor(),
            .dz = options.dz ? gradient(b.gradient, -1) : Tensor()};
  }

 private:
  Weights weights_;
};

}  // namespace

// github.com/facebookresearch/vicreg, main_vicreg.py: batch 2048, lr 0.2 for 256. The variance
// term is the paper's sum over both views; that file halves it.
Method vicreg_method() {
  constexpr double kMost = 1e6;
  return {.name = "vicreg",
          .title = "VICReg: variance, invariance, covariance (Bardes et al., ICLR 2022)",
          .defaults =
              [](ModelSettings& model, TrainSettings& train) {
                model.dim = 8192;
                model.proj_hidden = 8192;
                model.proj_output_norm = false;
                model.pred_hidden = 0;
                train.batch = 2048;
                train.optimizer = "lars";
                train.lr = 0.2 * 2048 / 256;
                train.weight_decay = 1e-6;
                train.decay_norm_and_bias = false;
              },
          .settings = {{.name = "invariance", .value = 25, .high = kMost, .help = "Weight of the views' squared distance"},
                      {.name = "variance", .value = 25, .high = kMost, .help = "Weight of the hinge on each deviation"},
                      {.name = "covariance", .value = 1, .high = kMost, .help = "Weight of the squared covariances"}},
          .make = [](const MethodSetup& setup) -> std::unique_ptr<PairObjective> {
            return std::make_unique<VicRegObjective>(
                Weights{setup.number("invariance"), setup.number("variance"), setup.number("covariance")});
          }};
}

}  // namespace mec
