// What is not finite stops a run at its step, whichever of loss and gradients it is; or, where
// steps are skipped, after too many in a row.
#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "ssl/tiny_run.h"

using namespace mec;
using namespace mec::test;

namespace {

// Constant loss and gradients of 1e-3, but for what is spoilt in steps [from, to).
class Spoilt : public Objective {
 public:
  Spoilt(double loss, double gradient, std::int64_t from, std::int64_t to = 1000)
      : loss_(loss), gradient_(gradient), from_(from), to_(to) {}

  std::string name() const override { return "spoilt"; }
  bool ema_teacher() const override { return true; }
  bool view_by_view() const override { return true; }
  ObjectiveResult operator()(const std::vector<StudentView>& students, const std::vector<Tensor>&,
                             const StepContext&) override {
    const Tensor& embedding = students[0].embedding;
    const Tensor gradient = Tensor::full(embedding.shape(), 1e-3, embedding.dtype(), embedding.device());
    if (is_spoilt() && students[0].view == 1) gradient.segment(3, {1}).fill(gradient_);  // one entry of one view
    const double loss = is_spoilt() ? loss_ : 0.25;
    return {.gradients = {gradient}, .metrics = {Tensor::full({1}, loss, embedding.dtype(), embedding.device())}};
  }
  Metrics summarize(const std::vector<std::vector<double>>& parts) const override { return {{"loss", parts.at(0).at(0)}}; }
  void before_step(std::int64_t step, std::int64_t) override { step_ = step; }

 private:
  bool is_spoilt() const { return step_ >= from_ && step_ < to_; }

  double loss_, gradient_;
  std::int64_t from_, to_, step_ = 0;
};

// Notes which steps were skipped.
struct Skipped : Losses {
  void on_step(const StepReport& report) override {
    Losses::on_step(report);
    if (report.skipped) steps.push_back(report.step);
  }
  std::vector<std::int64_t> steps;
};

// What the error says, how many steps were reported before, which of them were skipped, and what
// was noted.
struct End {
  std::string error;
  std::size_t reported = 0;
  std::vector<std::int64_t> skipped;
  std::vector<std::string> notes;
};
End end_of(Spoilt objective, const PretrainSettings& settings = tiny_settings(), std::int64_t skipped_before = 0) {
  const Device device = make_cpu_device({.threads = 1});
  Learner learner(learner_options(settings), device);
  const auto data = std::make_shared<GeneratedImages>(26, 12);
  LoaderOptions options = training_options();
  options.batch = settings.train.batch;
  options.epochs = settings.train.epochs;
  Loader loader(data, make_augmentation(settings.augment, data->info().normalization), options, device);
  Skipped losses;
  End end;
  try {
    train(learner, objective, loader, settings, {&losses},
          {.note = [&](const std::string& line) { end.notes.push_back(line); }, .skipped = skipped_before});
  } catch (const NumericalError& error) {
    end.error = error.what();
  }
  end.reported = losses.metrics.size();
  end.skipped = losses.steps;
  return end;
}

PretrainSettings skipping(std::int64_t limit) {
  PretrainSettings settings = tiny_settings();
  settings.train.on_nonfinite = OnNonfinite::skip;
  settings.train.nonfinite_limit = limit;
  return settings;
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

TEST_CASE("steps that are not finite are skipped, reported as such and noted once") {
  for (const bool in_loss : {true, false}) {
    CAPTURE(in_loss);
    const End end = end_of(Spoilt(in_loss ? kNan : 0.5, in_loss ? 1e-3 : kInfinity, 2, 4), skipping(3));
    CHECK(end.error.empty());
    CHECK(end.reported == 6);
    CHECK(end.skipped == std::vector<std::int64_t>{3, 4});
    REQUIRE(end.notes.size() == 2);
    CHECK(end.notes[0] == concat("step 3 of 6 has a ", in_loss ? "loss" : "gradient or running statistic",
                                 " that is not finite (loss ", in_loss ? "nan" : "0.5",
                                 ", learning rate 0.1): it is skipped, as further ones will be"));
    CHECK(end.notes[1] == "2 steps were skipped, since something in them was not finite");
  }
}

TEST_CASE("too many steps in a row that are not finite stop the run, those before it counted") {
  const End end = end_of(Spoilt(kNan, kNan, 2), skipping(3));
  CHECK(end.skipped == std::vector<std::int64_t>{3, 4});
  CHECK(end.reported == 4);
  CHECK(end.error.find("training: step 5 of 6 has a loss that is not finite (loss nan, learning rate ") == 0);
  CHECK(end.error.find("and so have 3 steps in a row (train.nonfinite_limit is 3)") != std::string::npos);
  CHECK(end_of(Spoilt(kNan, kNan, 0), skipping(4), 2).error.find("step 2 of 6") != std::string::npos);
  CHECK(end_of(Spoilt(kNan, kNan, 1, 3), skipping(4), 3).error.empty());  // a finite one in between
  CHECK(end_of(Spoilt(kNan, kNan, 0), skipping(1)).error.find("step 1 of 6") != std::string::npos);
}
