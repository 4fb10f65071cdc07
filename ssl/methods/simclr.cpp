// SimCLR (Chen et al., ICML 2020, "A Simple Framework for Contrastive Learning of Visual
// Representations"): each of the 2m embeddings of two views is to be nearest to its other view
// among all the rest (NT-Xent, equation 1).
#include "mec/ssl/methods/methods.h"
#include "mec/tensor/ops.h"

namespace mec {

namespace {

// Subtracted from each row's similarity to itself, in place of ∞: e^{−kSelf} is 0, and sums with it
// stay finite.
constexpr double kSelf = 1e5;

// Row i's partner is row i + m, and the other way round.
Tensor partners(std::int64_t m, const Device& device) {
  std::vector<std::int32_t> labels;
  for (std::int64_t i = 0; i < 2 * m; ++i) labels.push_back(static_cast<std::int32_t>(i < m ? i + m : i - m));
  return Tensor::from(labels, {2 * m}, device);
}

class SimClrObjective : public PairObjective {
 public:
  SimClrObjective(double temperature, std::int64_t batch, const Device& device)
      : PairObjective({.metrics = {"loss", "cosine"}, .symmetric = true}),
        temperature_(temperature),
        partners_(partners(batch, device)) {}
  std::string name() const override { return "simclr"; }

  PairResult pair(const Tensor& p, const Tensor& z, const PairOptions& options) const override {
    check_pair("simclr", p, z);
    const std::int64_t m = p.dim(0);
    Tensor both({2 * m, p.dim(1)}, p.dtype(), p.device());
    both.rows(0, m).copy_from(p);
    both.rows(m, 2 * m).copy_from(z);
    const NormalizedRows Y = normalize_rows(both);
    // The batch's labels lie on the device already, so that nothing is uploaded within a step.
    const Tensor labels = partners_.numel() == 2 * m ? partners_ : partners(m, p.device());
    const Tensor logits =  // S/T − kSelf·I
        matrix_polynomial({matmul(Y.y, Y.y, {.trans_b = true})}, {-kSelf, 1.0 / temperature_});
    const CrossEntropy entropy = cross_entropy(logits, labels);

    const double per_row = options.weight / static_cast<double>(2 * m);
    const Tensor cosine = scale(sum(mul(Y.y.rows(0, m), Y.y.rows(m, 2 * m))), 2 * per_row);
    PairResult out{.metrics = join({scale(sum(entropy.loss), per_row), cosine}), .dp = {}, .dz = {}};
    if (!options.dp && !options.dz) return out;
    // S = Y Yᵀ, so ∂Y = (G + Gᵀ) Y.
    const Tensor g = scale(symmetrize(entropy.dlogits), 2 * per_row / temperature_);
    const Tensor gradient = normalize_rows_grad(Y, matmul(g, Y.y));
    if (options.dp) out.dp = gradient.rows(0, m);
    if (options.dz) out.dz = gradient.rows(m, 2 * m);
    return out;
  }

 private:
  double temperature_;
  Tensor partners_;  // (2m) i32
};

}  // namespace

// Head and temperature as in solo-learn (github.com/vturrisi/solo-learn,
// scripts/pretrain/cifar/simclr.yaml); optimiser and batch as in github.com/google-research/simclr,
// README: batch 4096, lr 0.3 for 256. There T is 0.1.
Method simclr_method() {
  return {
      .name = "simclr",
      .title = "SimCLR: contrast within the batch, NT-Xent (Chen et al., ICML 2020)",
      .defaults =
          [](ModelSettings& model, TrainSettings& train) {
            model.dim = 256;
            model.proj_layers = 2;
            model.proj_hidden = 2048;
            model.proj_norm = false;
            model.proj_output_norm = false;
            model.pred_hidden = 0;
            train.batch = 4096;
            train.optimizer = "lars";
            train.lr = 0.3 * 4096 / 256;
            train.weight_decay = 1e-6;
            train.decay_norm_and_bias = false;
          },
      .settings = {{.name = "temperature", .value = 0.2, .low = 0.01, .high = 100, .help = "T: similarities are divided by it"}},
      .scales_rows = true,
      .make = [](const MethodSetup& setup) -> std::unique_ptr<PairObjective> {
        return std::make_unique<SimClrObjective>(setup.number("temperature"), setup.settings.train.batch, setup.device);
      }};
}

}  // namespace mec
