// Ten steps that learn from labels against the same in PyTorch (tools/golden/labels.py): MEC's
// linear evaluation, and fine-tuning with a frozen stage and two rates.
#include <doctest/doctest.h>
#include <unistd.h>

#include <filesystem>

#include "mec/nn/files/weights.h"
#include "mec/nn/layout.h"
#include "mec/ssl/methods/supervised.h"
#include "mec/ssl/training/trainer.h"
#include "mec/tensor/devices.h"
#include "support/golden.h"

using namespace mec;
using namespace mec::test;

namespace {

PretrainSettings settings_of(const Golden& golden) {
  PretrainSettings settings;
  choose_method(settings, kSupervised);
  settings.model = {.arch = golden.text("arch"), .stem = golden.text("stem"), .width = golden.integer("width")};
  settings.method_settings["label_smoothing"] = golden.number("smoothing");
  settings.method_settings["head_norm"] = golden.number("norm");
  TrainSettings& train = settings.train;
  train.batch = golden.integer("m");
  train.epochs = golden.integer("steps") / golden.integer("steps_per_epoch");
  train.lr = golden.number("lr");
  train.lr_by_epoch = true;
  train.momentum = golden.number("momentum");
  train.weight_decay = golden.number("weight_decay");
  train.decay_norm_and_bias = golden.number("lars") != 0;
  train.optimizer = golden.number("lars") != 0 ? "lars" : "sgd";
  train.lars_eta = golden.number("trust");
  train.encoder_lr_factor = golden.number("encoder_lr_factor");
  train.frozen_stages = golden.integer("frozen");
  return settings;
}

void load_initial(const Golden& golden, Learner& learner) {
  const std::filesystem::path file = std::filesystem::temp_directory_path() / concat("mec_golden_labels_", getpid());
  write_safetensors(file, golden.part("initial."));
  load_weights(file, learner.online);
  std::filesystem::remove(file);
}

StepInput input_of(const Golden& golden, std::int64_t step, Dtype dtype, const Device& device) {
  const Tensor all = golden.at("images", dtype);
  const Shape shape{all.dim(1), all.dim(2), all.dim(3), all.dim(4)};
  const Tensor images = oihw_to_ohwi(all.segment(step * shape.numel(), shape));
  const Tensor labels = golden.at("labels", Dtype::i32);
  return {{with_channels(images, device->image_channels(1))}, labels.segment(step * shape[0], {shape[0]})};
}

std::size_t check_state(const Golden& golden, Learner& learner) {
  std::size_t compared = 0;
  const auto compare = [&](const std::string& name, const Tensor& ours) {
    ++compared;
    const Comparison same = golden.compare("final." + name, ours.rank() == 4 ? ohwi_to_oihw(ours) : ours);
    CHECK_MESSAGE(same.ok, same.message);
  };
  for (const auto& [name, parameter] : parameters_of(learner.online)) {
    const Tensor data = parameter.value.data();
    compare(name, parameter.file_channels > 0 ? with_channels(data, parameter.file_channels) : data);
  }
  for (const auto& [name, buffer] : buffers_of(learner.online)) compare(name, buffer);
  return compared;
}

void check_run(const std::string& recipe, const std::string& device_name, Dtype dtype) {
  CAPTURE(recipe);
  CAPTURE(device_name);
  const Device device = make_device(device_name);
  const Golden golden("labels_" + recipe, device);
  const PretrainSettings settings = settings_of(golden);
  Learner learner({.model = settings.model,
                   .train = settings.train,
                   .in_channels = 1,
                   .ema_teacher = false,
                   .classifier = classifier_of(settings, golden.integer("classes")),
                   .parameters = dtype},
                  device);
  load_initial(golden, learner);
  const auto objective = make_step_objective(settings, device, dtype);
  const TrainPlan plan(settings, golden.integer("steps_per_epoch"));
  const StepScalars scalars(dtype, device);
  std::vector<double> losses, rates;
  for (std::int64_t step = 0; step < plan.steps(); ++step) {
    rates.push_back(plan.at(step).lr);
    scalars.set(plan.at(step));
    const StepOutput out = training_step(learner, *objective, input_of(golden, step, dtype, device), scalars);
    losses.push_back(objective->summarize({out.metrics.at(0).to(Dtype::f64).to_vector<double>()}).front().second);
  }
  const auto same = [&](const char* name, const std::vector<double>& values, Dtype as) {
    const Comparison compared = golden.compare(name, Tensor::from(values, {plan.steps()}, device).to(as));
    CHECK_MESSAGE(compared.ok, compared.message);
  };
  same("lr", rates, Dtype::f64);
  same("loss", losses, dtype);
  CHECK(check_state(golden, learner) == golden.part("final.").tensors.size());
}

}  // namespace

TEST_CASE("ten steps of linear evaluation and of fine-tuning end where PyTorch's end") {
  for (const char* recipe : {"linear", "finetune"}) {
    for (const auto& [device, dtype] : kGoldenSettings) check_run(recipe, device, dtype);
  }
}
