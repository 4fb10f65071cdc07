// BYOL (Grill et al., NeurIPS 2020, "Bootstrap your own latent"): the squared distance of each
// view's prediction, at unit length, to the averaged teacher's projection of the other view, summed
// over both directions.
#include "mec/ssl/methods/cosine.h"
#include "mec/ssl/methods/methods.h"

namespace mec {

namespace {

class ByolObjective : public PairObjective {
 public:
  ByolObjective() : PairObjective({.metrics = {"loss", "cosine"}, .ema_teacher = true, .of_ranks = OfRanks::own_rows}) {}
  std::string name() const override { return "byol"; }
  PairResult pair(const Tensor& p, const Tensor& z, const PairOptions& options) const override {
    // ‖p − z‖² = 2 − 2cos. Twice, since the paper adds two directions where a pair's weight is one
    // half (equation 2 and below).
    return cosine_pair({.name = "byol", .offset = 4, .slope = -4}, p, z, options);
  }
};

}  // namespace

// github.com/google-deepmind/deepmind-research, byol/configs/byol.py: batch 4096, and the presets
// for 100 epochs.
Method byol_method() {
  return {.name = "byol",
          .title = "BYOL: distance to an averaged teacher (Grill et al., NeurIPS 2020)",
          .defaults =
              [](ModelSettings& model, TrainSettings& train) {
                model.dim = 256;
                model.proj_layers = 2;
                model.proj_hidden = 4096;
                model.proj_output_norm = false;
                model.pred_hidden = 4096;
                train.batch = 4096;
                train.optimizer = "lars";
                train.lr = 0.45 * 4096 / 256;
                train.weight_decay = 1e-6;
                train.decay_norm_and_bias = false;
                train.ema = 0.99;
              },
          .averaged_teacher = true,
          .scales_rows = true,
          .make = [](const MethodSetup&) -> std::unique_ptr<PairObjective> {
            return std::make_unique<ByolObjective>();
          }};
}

}  // namespace mec
