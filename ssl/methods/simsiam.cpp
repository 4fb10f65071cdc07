// SimSiam (Chen & He, CVPR 2021, "Exploring Simple Siamese Representation Learning"): minus the
// mean cosine of each view's prediction and the other view's projection, through which no gradient
// goes. It is MEC of order 1 without the averaged teacher.
#include "mec/ssl/methods/cosine.h"
#include "mec/ssl/methods/methods.h"

namespace mec {

namespace {

class SimSiamObjective : public PairObjective {
 public:
  SimSiamObjective() : PairObjective({.metrics = {"loss", "cosine"}, .of_ranks = OfRanks::own_rows}) {}
  std::string name() const override { return "simsiam"; }
  PairResult pair(const Tensor& p, const Tensor& z, const PairOptions& options) const override {
    return cosine_pair({.name = "simsiam", .offset = 0, .slope = -1}, p, z, options);
  }
};

}  // namespace

// github.com/facebookresearch/simsiam, main_simsiam.py and builder.py: batch 512, lr 0.05 for
// 256, no warm-up, and a predictor whose lr stays constant. The heads are those of
// PretrainSettings.
Method simsiam_method() {
  return {.name = "simsiam",
          .title = "SimSiam: minus the mean cosine, no gradient through one side (Chen & He, CVPR 2021)",
          .defaults =
              [](ModelSettings&, TrainSettings& train) {
                train.batch = 512;
                train.lr = 0.1;
                train.warmup = {.epochs = 0};
                train.weight_decay = 1e-4;
                train.constant_predictor_rate = true;
              },
          .scales_rows = true,
          .make = [](const MethodSetup&) -> std::unique_ptr<PairObjective> { return std::make_unique<SimSiamObjective>(); }};
}

}  // namespace mec
