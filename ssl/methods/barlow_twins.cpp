// Barlow Twins (Zbontar et al., ICML 2021, "Self-Supervised Learning via Redundancy Reduction"):
// the cross-correlation of two views' features over the batch is to be the identity. Compare MEC of
// order 2 on the feature side: docs/mec.md.
#include "mec/ssl/methods/methods.h"
#include "mec/tensor/ops.h"

namespace mec {

namespace {

constexpr BatchNormArgs kStandardize{.eps = 1e-5};

// Features scaled to mean 0 and variance 1 over the batch.
struct Standardized {
  Standardized(const Tensor& features, const BatchRows& batch)
      : rows(batch),
        x(features),
        statistics(rows.statistics(x)),
        y(batch_norm_apply(x, statistics, {}, {}, {}, kStandardize)) {}
  Tensor gradient(const Tensor& dy) const {
    const BatchNormSums own = batch_norm_grad_reduce(dy, x, {}, statistics, {}, {}, kStandardize);
    const BatchNormSums sums{rows.sum(own.dgamma), rows.sum(own.dbeta)};
    const auto m = static_cast<double>(rows.count(x));
    return batch_norm_grad_apply(dy, x, {}, statistics, {}, {}, sums, m, false, kStandardize).dx;
  }
  BatchRows rows;
  Tensor x;
  BatchNormStatistics statistics;
  Tensor y;
};

class BarlowTwinsObjective : public PairObjective {
 public:
  BarlowTwinsObjective(double lambda, double scale)
      : PairObjective({.metrics = {"loss", "on_diagonal", "off_diagonal"},
                       .symmetric = true,
                       .of_ranks = OfRanks::feature_sums}),
        lambda_(lambda),
        scale_(scale) {}
  std::string name() const override { return "barlow-twins"; }

  // C = Aᵀ B/m, c its diagonal: loss = scale·[Σ(1 − c)² + λ(ΣC² − Σc²)].
  PairResult pair(const Tensor& p, const Tensor& z, const PairOptions& options) const override {
    check_pair("barlow-twins", p, z);
    const BatchRows& rows = options.rows;
    const auto m = static_cast<double>(rows.count(p));
    const auto square_sum = [](const Tensor& x) { return sum(square(x)); };
    const Standardized A(p, rows), B(z, rows);
    const Tensor c = scale(rows.sum(sum(mul(A.y, B.y), 0)), 1 / m);                // (d)
    const Tensor C = scale(rows.sum(matmul(A.y, B.y, {.trans_a = true})), 1 / m);  // (d,d)
    const Tensor ones = Tensor::full(c.shape(), 1.0, c.dtype(), c.device());
    const Tensor on = scale(square_sum(sub(c, ones)), options.weight * scale_);
    const Tensor off = scale(sub(square_sum(C), square_sum(c)), options.weight * scale_ * lambda_);
    PairResult out{.metrics = join({add(on, off), on, off}), .dp = {}, .dz = {}};

    // ∂C = factor·m·[λC + diag(g)] with g = (1 − λ)c − 1; then dA = B(∂C)ᵀ/m and dB = A ∂C/m.
    const double factor = 2 * options.weight * scale_ / m;
    const Tensor g = scale(c, factor * (1 - lambda_));
    axpby(ones, g, {.alpha = -factor, .beta = 1.0});
    const auto gradient = [&](const Standardized& of, const Standardized& other, bool transposed) {
      const Tensor dy = mul(other.y, g);
      matmul_into(scale(other.y, factor * lambda_), C, dy, {.trans_b = transposed, .accumulate = true});
      return of.gradient(dy);
    };
    if (options.dp) out.dp = gradient(A, B, true);
    if (options.dz) out.dz = gradient(B, A, false);
    return out;
  }

 private:
  double lambda_, scale_;
};

}  // namespace

// github.com/facebookresearch/barlowtwins, main.py: batch 2048, lr 0.2 for 256; its lower lr
// for biases and norms is not taken over. The scale is solo-learn's
// (scripts/pretrain/cifar/barlow.yaml); LARS all but ignores it.
Method barlow_twins_method() {
  return {.name = "barlow-twins",
          .title = "Barlow Twins: cross-correlation of features to the identity (Zbontar et al., ICML 2021)",
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
          .settings = {{.name = "lambda", .value = 0.0051, .low = 0, .high = 1, .help = "Weight of the terms off the diagonal"},
                      {.name = "scale", .value = 0.1, .low = 1e-6, .high = 1e6, .help = "Of the whole loss"}},
          .make = [](const MethodSetup& setup) -> std::unique_ptr<PairObjective> {
            return std::make_unique<BarlowTwinsObjective>(setup.number("lambda"), setup.number("scale"));
          }};
}

}  // namespace mec
