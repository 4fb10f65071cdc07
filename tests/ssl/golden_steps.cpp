// Ten steps of the whole recipe against the same in PyTorch: losses, and the weights and statistics
// they end with.
#include <doctest/doctest.h>
#include <unistd.h>

#include <filesystem>

#include "mec/nn/files/weights.h"
#include "mec/nn/layout.h"
#include "mec/ssl/methods/methods.h"
#include "mec/ssl/training/trainer.h"
#include "mec/tensor/devices.h"
#include "support/golden.h"

using namespace mec;
using namespace mec::test;

namespace {

PretrainSettings settings_of(const Golden& golden) {
  PretrainSettings settings;
  settings.model = {.arch = golden.text("arch"),
                    .stem = golden.text("stem"),
                    .width = golden.integer("width"),
                    .dim = golden.integer("d"),
                    .proj_hidden = golden.integer("projector_hidden"),
                    .pred_hidden = golden.integer("predictor_hidden")};
  settings.method_settings["order"] = golden.integer("order");
  settings.method_settings["eps2"] = golden.number("eps2");
  settings.method_settings["lambda_warmup_factor"] = golden.number("lambda_start");
  settings.method_settings["lambda_warmup_steps"] = golden.integer("warmup_steps");
  settings.train.epochs = golden.integer("steps");
  settings.train.batch = golden.integer("m");
  settings.train.lr = golden.number("lr");
  settings.train.warmup.steps = golden.integer("warmup_steps");
  settings.train.momentum = golden.number("momentum");
  settings.train.weight_decay = golden.number("weight_decay");
  settings.train.ema = golden.number("ema");
  return settings;
}

std::filesystem::path scratch_file() {
  return std::filesystem::temp_directory_path() / concat("mec_golden_steps_", getpid(), ".safetensors");
}

void load_initial(const Golden& golden, Learner& learner) {
  write_safetensors(scratch_file(), golden.part("initial."));
  load_weights(scratch_file(), learner.online);
  std::filesystem::remove(scratch_file());
  copy_state(learner.online.encoder, learner.teacher->network.encoder);
  copy_state(learner.online.projector, learner.teacher->network.projector);
}

// Both views of one step, out of (steps,2,m,1,H,W), with the channels that the device wants.
std::vector<Tensor> views_of(const Tensor& all, std::int64_t step) {
  const Shape shape{all.dim(2), all.dim(3), all.dim(4), all.dim(5)};
  std::vector<Tensor> views;
  for (std::int64_t view = 0; view < 2; ++view) {
    const Tensor images = oihw_to_ohwi(all.segment((2 * step + view) * shape.numel(), shape));
    views.push_back(with_channels(images, all.backend().image_channels(all.dim(3))));
  }
  return views;
}

double loss_of(const Objective& objective, const StepOutput& step) {
  std::vector<std::vector<double>> parts;
  for (const Tensor& part : step.metrics) parts.push_back(part.to(Dtype::f64).to_vector<double>());
  return objective.summarize(parts).front().second;
}

// Weights and statistics in the layout of files; the number of tensors compared.
std::size_t check_state(const Golden& golden, const std::string& prefix, Module& module) {
  std::size_t compared = 0;
  const auto compare = [&](const std::string& name, const Tensor& ours) {
    ++compared;
    const Comparison same = golden.compare(prefix + name, ours.rank() == 4 ? ohwi_to_oihw(ours) : ours);
    CHECK_MESSAGE(same.ok, same.message);
  };
  for (const auto& [name, parameter] : parameters_of(module)) {
    const Tensor data = parameter.value.data();
    compare(name, parameter.file_channels > 0 ? with_channels(data, parameter.file_channels) : data);
  }
  for (const auto& [name, buffer] : buffers_of(module)) compare(name, buffer);
  return compared;
}

void check_run(const std::string& device_name, Dtype dtype) {
  CAPTURE(device_name);
  const Device device = make_device(device_name);
  const Golden golden("ten_steps", device);
  const PretrainSettings settings = settings_of(golden);
  Learner learner(
      {.model = settings.model, .train = settings.train, .in_channels = golden.integer("channels"), .parameters = dtype},
      device);
  load_initial(golden, learner);

  const auto objective = make_objective(settings, device, dtype);
  const TrainPlan plan(settings, 1);  // epochs of one step
  const StepScalars scalars(dtype, device);
  const Tensor views = golden.at("views", dtype);
  REQUIRE(plan.steps() == golden.integer("steps"));
  std::vector<double> losses;
  for (std::int64_t step = 0; step < plan.steps(); ++step) {
    scalars.set(plan.at(step));
    objective->before_step(step, plan.steps_per_epoch());
    losses.push_back(loss_of(*objective, training_step(learner, *objective, views_of(views, step), scalars)));
  }
  const Comparison same = golden.compare("loss", Tensor::from(losses, {plan.steps()}, device).to(dtype));
  CHECK_MESSAGE(same.ok, same.message);
  const std::size_t compared =
      check_state(golden, "final.", learner.online) + check_state(golden, "final.teacher.", learner.teacher->network);
  CHECK(compared == golden.part("final.").tensors.size());
}

}  // namespace

TEST_CASE("learning rate, lambda and teacher coefficient of each step are the official schedules'") {
  const Golden golden("ten_steps", make_device("reference"));
  const PretrainSettings settings = settings_of(golden);
  const TrainPlan plan(settings, 1);
  const auto objective = make_objective(settings, make_device("reference"));
  std::vector<double> lr, lambda, ema;
  for (std::int64_t step = 0; step < plan.steps(); ++step) {
    const StepValues now = plan.at(step);
    lr.push_back(now.lr);
    objective->before_step(step, 1);
    lambda.push_back(objective->scheduled().at(0).second);
    ema.push_back(now.ema);
  }
  const std::pair<const char*, std::vector<double>> schedules[] = {{"lr", lr}, {"lambda", lambda}, {"ema", ema}};
  for (const auto& [name, values] : schedules) {
    const Comparison same = golden.compare(name, Tensor::from(values, {plan.steps()}, make_device("reference")));
    CHECK_MESSAGE(same.ok, same.message);
  }
}

TEST_CASE("ten steps of the recipe end where PyTorch's end") {
  for (const auto& [device, dtype] : kGoldenSettings) check_run(device, dtype);
}
