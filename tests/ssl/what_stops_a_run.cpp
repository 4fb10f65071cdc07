// What is not finite stops a run at its step, whichever of loss and gradients it is.
#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "ssl/tiny_run.h"

using namespace mec;
using namespace mec::test;

namespace {

// Constant loss and gradients of 1e-3, but for what is spoilt from one step on.
class Spoilt : public Objective {
 public:
  Spoilt(double loss, double gradient, std::int64_t from)
      : loss_(loss), gradient_(gradient), from_(from) {}

  std::string name() const override { return "spoilt"; }
  bool ema_teacher() const override { return true; }
  bool view_by_view() const override { return true; }
  ObjectiveResult operator()(const std::vector<StudentView>& students, const std::vector<Tensor>&,
                             const StepContext&) override {
    const Tensor& embedding = students[0].embedding;
    const Tensor gradient =
        Tensor::full(embedding.shape(), 1e-3, embedding.dtype(), embedding.device());
    if (step_ >= from_ && students[0].view == 1)
      gradient.segment(3, {1}).fill(gradient_);  // one entry of one view
    const double loss = step_ >= from_ ? loss_ : 0.25;
    return {.gradients = {gradient},
            .metrics = {Tensor::full({1}, loss, embedding.dtype(), embedding.device())}};
  }
  Metrics summarize(const std::vector<std::vector<double>>& parts) const override {
    return {{"loss", parts.at(0).at(0)}};
  }
  void before_step(std::int64_t step, std::int64_t) override { step_ = step; }

 private:
  double loss_, gradient_;
  std::int64_t from_, step_ = 0;
};

// What the error says, and how many steps were reported before.
struct End {
  std::string error;
  std::size_t reported = 0;
};
End end_of(Spoilt objective) {
  const PretrainSettings settings = tiny_settings();
  const Device device = make_cpu_device({.threads = 1});
  Learner learner(learner_options(settings), device);
  const auto data = std::make_shared<GeneratedImages>(26, 12);
  LoaderOptions options = training_options();
  options.batch = settings.train.batch;
  options.epochs = settings.train.epochs;
  Loader loader(data, make_augmentation(settings.augment, data->info().normalization), options,
                device);
  Losses losses;
  End end;
  try {
    train(learner, objective, loader, settings, {&losses});
  } catch (const NumericalError& error) {
    end.error = error.what();
  }
  end.reported = losses.metrics.size();
  return end;
}

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

}  // namespace

TEST_CASE("a gradient that is not finite stops the run at its step, though the loss is finite") {
  for (const double value : {kNan, kInfinity, -kInfinity}) {
    CAPTURE(value);
    const End end = end_of(Spoilt(0.5, value, 3));
    CHECK(end.reported == 3);
    CHECK(end.error.find("training: step 4 of 6 has a gradient that is not finite (loss 0.5, "
                         "learning rate 0.1)") == 0);
  }
}

TEST_CASE("a loss that is not finite stops the run at its step, though the gradients are finite") {
  for (const double value : {kNan, kInfinity, -kInfinity}) {
    CAPTURE(value);
    const End end = end_of(Spoilt(value, 1e-3, 3));
    CHECK(end.reported == 3);
    CHECK(end.error.find("training: step 4 of 6 has a loss that is not finite (loss ") == 0);
  }
}

TEST_CASE("what is finite lets the run end") {
  const End end = end_of(Spoilt(0.5, 1e-3, 3));
  CHECK(end.error.empty());
  CHECK(end.reported == 6);
}
