// A run small enough for a test: 24 generated images, a ResNet-10 of width 4, two epochs.
#pragma once

#include <doctest/doctest.h>

#include <cmath>
#include <memory>
#include <vector>

#include "mec/data/loader/loader.h"
#include "mec/ssl/methods/methods.h"
#include "mec/ssl/training/step.h"
#include "mec/ssl/training/trainer.h"
#include "mec/tensor/backends/wrappers/recording.h"
#include "mec/tensor/devices.h"
#include "mec/tensor/ops.h"
#include "mec/tensor/philox.h"

namespace mec::test {

// Gray images of `size` pixels a side: blobs whose place depends on the image, and noise.
class GeneratedImages : public Dataset {
 public:
  GeneratedImages(std::int64_t count, int size) : count_(count) {
    info_ = {.kind = "generated",
             .channels = 1,
             .size = {size, size},
             .has_labels = false,
             .class_names = {},
             .normalization = {.mean = {0.5F}, .std = {0.25F}}};
  }
  const DatasetInfo& info() const override { return info_; }
  std::int64_t size() const override { return count_; }
  std::int32_t label(std::int64_t) const override { throw ValueError("generated images have no labels"); }
  Image read(std::int64_t i) const override {
    RandomStream draw(7, static_cast<std::uint64_t>(i), 0, Purpose::test);
    Image image{.width = info_.size.width, .height = info_.size.height, .channels = 1, .pixels = {}};
    const auto cx = static_cast<int>(draw.below(static_cast<std::uint64_t>(image.width)));
    for (int y = 0; y < image.height; ++y) {
      for (int x = 0; x < image.width; ++x) {
        const bool inside = (x - cx) * (x - cx) + (y - 5) * (y - 5) < 9;
        image.pixels.push_back(static_cast<std::uint8_t>((inside ? 180 : 20) + draw.below(60)));
      }
    }
    return image;
  }

 private:
  DatasetInfo info_;
  std::int64_t count_;
};

inline PretrainSettings tiny_settings() {
  PretrainSettings settings;
  settings.model = {.arch = "resnet10", .stem = "cifar", .width = 4, .dim = 16, .pred_hidden = 8};
  settings.method_settings["eps2"] = 8;
  settings.method_settings["lambda_warmup_epochs"] = 1;
  settings.train.epochs = 2;
  settings.train.batch = 8;
  settings.train.lr = 0.1;
  settings.train.warmup = {.epochs = 1};
  settings.train.ema = 0.9;
  settings.train.seed = 3;
  for (ViewSettings& view : settings.augment.views) view.size = 10;
  return settings;
}

inline LearnerOptions learner_options(const PretrainSettings& settings, Dtype parameters = Dtype::f32,
                                      bool ema_teacher = true) {
  return {
      .model = settings.model, .train = settings.train, .in_channels = 1, .ema_teacher = ema_teacher, .parameters = parameters};
}

// All that training changes, as bytes on the host: equal runs have equal snapshots.
inline std::vector<double> snapshot(Learner& learner) {
  std::vector<double> values;
  const auto append = [&](const Tensor& t) {
    const auto host = t.to(Dtype::f64).to_vector<double>();
    values.insert(values.end(), host.begin(), host.end());
  };
  append(learner.parameters.values());
  if (learner.teacher) append(learner.teacher->parameters.values());
  for (const auto& [name, tensor] : learner.optimizer->state()) append(tensor);
  for (const auto& [name, tensor] : buffers_of(learner.online)) append(tensor);
  if (!learner.teacher) return values;
  for (const auto& [name, tensor] : buffers_of(learner.teacher->network)) append(tensor);
  return values;
}

// The method's default settings on a tiny network, with a queue where it may have one.
inline PretrainSettings tiny_settings_of(const std::string& method) {
  PretrainSettings settings = tiny_settings();
  const ModelSettings tiny = settings.model;
  const TrainSettings train = settings.train;
  choose_method(settings, method);
  settings.model.dim = tiny.dim;
  settings.model.proj_hidden = 12;
  if (settings.model.pred_hidden > 0) settings.model.pred_hidden = tiny.pred_hidden;
  if (settings.model.prototypes > 0) settings.model.prototypes = 10;
  settings.train.batch = train.batch;
  settings.train.lr = train.lr;
  settings.train.warmup = train.warmup;
  if (settings.method_settings.contains("queue")) settings.method_settings.at("queue") = 2.0 * 8;
  if (settings.method_settings.contains("queue_epoch")) settings.method_settings.at("queue_epoch") = 1;
  return settings;
}

// All that training changes, the objective's state included.
inline std::vector<double> snapshot_of(Learner& learner, const Objective& objective) {
  std::vector<double> values = snapshot(learner);
  for (const auto& [name, tensor] : objective.state()) {
    const auto host = tensor.to(Dtype::f64).to_vector<double>();
    values.insert(values.end(), host.begin(), host.end());
  }
  return values;
}

struct Losses : Observer {
  void on_step(const StepReport& report) override { metrics.push_back(report.metrics); }
  std::vector<Metrics> metrics;
};

inline std::vector<double> train_tiny(const PretrainSettings& settings, Losses& losses,
                                      const Device& device = make_cpu_device(), const TrainOptions& options = {}) {
  const auto objective = make_objective(settings, device);
  std::vector<double> before;
  for (const auto& [name, tensor] : objective->state()) before.push_back(sum(tensor).item());
  Learner learner(learner_options(settings, Dtype::f32, objective->ema_teacher()), device);
  const auto data = std::make_shared<GeneratedImages>(26, 12);
  Loader loader(data, make_augmentation(settings.augment, data->info().normalization),
                {.batch = settings.train.batch,
                 .epochs = settings.train.epochs,
                 .shuffle = true,
                 .drop_last = true,
                 .seed = settings.train.seed,
                 .workers = 1},
                device);
  train(learner, *objective, loader, settings, {&losses}, options);
  std::size_t i = 0;
  for (const NamedBuffer& state : objective->state()) CHECK_MESSAGE(sum(state.tensor).item() != before[i++], state.name);
  CHECK((learner.teacher != nullptr) == objective->ema_teacher());
  return snapshot_of(learner, *objective);
}

// All that four steps on two views change, and what they report. prepare() takes the step and
// returns what stands for it.
template <class Prepare>
std::vector<double> train_steps(const PretrainSettings& settings, Objective& objective, const Device& device, Prepare prepare) {
  Learner learner(learner_options(settings, Dtype::f32, objective.ema_teacher()), device);
  const StepScalars scalars(Dtype::f32, device);
  std::vector<Tensor> views;
  for (std::uint64_t view = 0; view < 2; ++view) views.push_back(random({8, 10, 10, 1}, Dtype::f32, device, {.seed = view}));
  StepOutput output;  // kept: a replay writes into it
  const auto once = prepare([&] { output = training_step(learner, objective, views, scalars); });
  for (int step = 0; step < 4; ++step) {
    for (std::uint64_t view = 0; view < 2; ++view) {
      fill_random(views[view], {.seed = 100 + 2 * static_cast<std::uint64_t>(step) + view});
    }
    scalars.set({.lr = 0.05 + 0.01 * step, .ema = 0.9 + 0.01 * step});
    objective.before_step(step, 2);
    once();
  }
  std::vector<double> values = snapshot_of(learner, objective);
  for (const Tensor& part : output.metrics) {
    const auto metrics = part.to(Dtype::f64).to_vector<double>();
    values.insert(values.end(), metrics.begin(), metrics.end());
  }
  return values;
}

// make(device) gives the objective. Steps that are replayed have the bits of eager ones.
template <class Make> void check_replayed_steps(const PretrainSettings& settings, Make make) {
  const Device cpu = make_cpu_device();
  const auto recorder = std::make_shared<RecordingBackend>(make_cpu_device());
  const auto eager = train_steps(settings, *make(cpu), cpu, [](auto step) { return step; });
  const auto replayed = train_steps(settings, *make(recorder), recorder, [&](auto step) {
    recorder->begin();
    step();
    recorder->end();
    return [&] { recorder->replay(); };
  });
  CHECK(eager == replayed);
}

// Each method's, in both precisions, with batches in so many parts.
inline void check_replayed_methods(std::int64_t accumulate) {
  for (const Method& method : methods()) {
    for (const char* precision : {"f32", "bf16"}) {
      CAPTURE(method.name);
      CAPTURE(precision);
      PretrainSettings settings = tiny_settings_of(method.name);
      settings.train.precision = precision;
      settings.train.accumulate = accumulate;
      check_replayed_steps(settings, [&](const Device& device) { return make_objective(settings, device); });
    }
  }
}

// The largest distance of finite values from those that are expected.
inline double worst(const std::vector<double>& values, const std::vector<double>& expected) {
  REQUIRE(values.size() == expected.size());
  double worst = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    REQUIRE(std::isfinite(values[i]));
    worst = std::max(worst, std::fabs(values[i] - expected[i]));
  }
  return worst;
}

}  // namespace mec::test
