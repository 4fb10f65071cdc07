#include "support/plain_run.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "mec/autograd/ops.h"
#include "mec/data/augment/transform.h"
#include "mec/data/loader/loader.h"
#include "mec/nn/files/weights.h"
#include "mec/nn/initialize.h"
#include "mec/ssl/methods/mec.h"
#include "mec/ssl/methods/mec_mixture.h"
#include "mec/ssl/methods/methods.h"
#include "mec/ssl/methods/regularized.h"
#include "mec/tensor/backend.h"
#include "support/plain_networks.h"

namespace mec::test {

namespace {

// One of the method's own settings.
struct Own {
  const PretrainSettings& settings;
  double operator()(const char* name) const { return settings.method_settings.at(name); }
  std::int64_t whole(const char* name) const { return std::llround((*this)(name)); }
};

// MEC's λ is that of `eps2`.
std::unique_ptr<Objective> make_plain_objective(const PretrainSettings& s, double eps2, const Device& device) {
  std::unique_ptr<Objective> objective;
  const Own own{s};
  const auto coding = [&]() -> CodingOptions {
    return {.order = own.whole("order"),
            .exact = own("exact") == 1,
            .side = own("side") == 0 ? Side::automatic : own("side") == 1 ? Side::batch : Side::feature,
            .symmetrize = own("symmetrize") == 1,
            .adapt = own("on_divergence") == 0};
  };
  if (s.method != "mec") {
    objective = make_objective(s, device);
  } else if (own("components") == 1) {
    const CodingOptions c = coding();
    objective = std::make_unique<MecObjective>(MecSettings{.order = c.order,
                                                           .exact = c.exact,
                                                           .side = c.side,
                                                           .symmetrize = c.symmetrize,
                                                           .on_divergence = c.adapt ? OnDivergence::adapt : OnDivergence::warn,
                                                           .eps2 = eps2,
                                                           .ema_teacher = own("ema_teacher") == 1});
  } else {
    MecMixtureSettings mixture;
    mixture.eps2 = eps2;
    mixture.ema_teacher = own("ema_teacher") == 1;
    mixture.mixture.pair = coding();
    mixture.prototypes.components = own.whole("components");
    mixture.prototypes.temperature = own("temperature");
    mixture.prototypes.seed = s.train.seed;
    objective = std::make_unique<MecMixtureObjective>(mixture, s.model.dim, Dtype::f32, device);
  }
  if (s.mixture_kl.weight == 0) return objective;
  const std::int64_t width = s.model.prototypes > 0 ? s.model.prototypes : s.model.dim;
  return std::make_unique<RegularizedObjective>(std::move(objective), s.mixture_kl, width,
                                                Dtype::f32, device);
}

// From 0 to its end, W values in even steps from `first` to `last`.
double line(std::int64_t step, std::int64_t W, double first, double last) {
  return W < 2 ? first
               : first + (last - first) * static_cast<double>(step) / static_cast<double>(W - 1);
}
double falling_cosine(std::int64_t step, std::int64_t steps) {
  return (1 + std::cos(std::numbers::pi * static_cast<double>(step) / static_cast<double>(steps))) /
         2;
}

PlainStep scheduled(const PretrainSettings& s, std::int64_t step, std::int64_t steps_per_epoch) {
  const TrainSettings& t = s.train;
  const auto length = [&](const WarmupLength& warmup) {
    return warmup.steps >= 0 ? warmup.steps
                             : std::llround(warmup.epochs * static_cast<double>(steps_per_epoch));
  };
  const std::int64_t steps = t.epochs * steps_per_epoch, W = length(t.warmup);
  const std::int64_t at = t.lr_by_epoch && step >= W ? std::max(step / steps_per_epoch * steps_per_epoch, W) : step;
  PlainStep plain{.lr = at < W ? line(at, W, 0, t.lr) : t.lr * falling_cosine(at - W, steps - W),
                  .ema = t.ema_end + (t.ema - t.ema_end) * falling_cosine(step, steps),
                  .scheduled = {},
                  .metrics = {}};
  if (s.method == "mec") {
    const Own own{s};
    const std::int64_t L =
        length({.epochs = own("lambda_warmup_epochs"), .steps = own.whole("lambda_warmup_steps")});
    plain.eps2 = own("eps2") * (step < L ? line(step, L, own("lambda_warmup_factor"), 1) : 1);
    plain.scheduled = {{"lambda", static_cast<double>(s.model.dim) /
                                      (static_cast<double>(t.batch) * plain.eps2)}};
  }
  return plain;
}

// One parameter and what its optimiser remembers, in f64.
struct Slot {
  Parameter parameter;
  std::vector<double> w, v, second;
  bool decayed = true, constant_lr = false, frozen = false;
  double lr_factor = 1;
};

double norm(const std::vector<double>& values) {
  double sum = 0;
  for (const double value : values) sum += value * value;
  return std::sqrt(sum);
}

std::vector<double> host(const Tensor& tensor) { return tensor.to(Dtype::f64).to_vector<double>(); }

void assign(Slot& slot) {
  const Tensor& data = slot.parameter.value.data();
  slot.parameter.value.assign(Tensor::from(slot.w, data.shape(), data.device()).to(data.dtype()));
}

void update(Slot& slot, const TrainSettings& t, double scheduled_lr, std::int64_t step) {
  if (slot.frozen) return;
  const Tensor grad = slot.parameter.value.grad();
  const std::vector<double> g = grad ? host(grad) : std::vector<double>(slot.w.size(), 0.0);
  const double decay = slot.decayed ? t.weight_decay : 0, lr = slot.constant_lr ? t.lr : slot.lr_factor * scheduled_lr;
  double trust = 1;
  if (t.optimizer == "lars" && slot.decayed) {
    const double w_norm = norm(slot.w), g_norm = norm(g);
    if (w_norm > 0 && g_norm > 0) trust = t.lars_eta * w_norm / (g_norm + decay * w_norm);
  }
  for (std::size_t i = 0; i < g.size(); ++i) {
    if (t.optimizer == "adamw") {
      const auto n = static_cast<double>(step + 1);
      slot.v[i] = t.beta1 * slot.v[i] + (1 - t.beta1) * g[i];
      slot.second[i] = t.beta2 * slot.second[i] + (1 - t.beta2) * g[i] * g[i];
      const double first = slot.v[i] / (1 - std::pow(t.beta1, n)),
                   second = slot.second[i] / (1 - std::pow(t.beta2, n));
      slot.w[i] -= lr * (first / (std::sqrt(second) + t.adam_eps) + decay * slot.w[i]);
    } else {
      slot.v[i] = t.momentum * slot.v[i] + trust * (g[i] + decay * slot.w[i]);
      slot.w[i] -= lr * slot.v[i];
    }
  }
  assign(slot);
}

void nudge(Slot& slot) {
  double sign = 1;
  for (double& w : slot.w) w *= 1 + (sign = -sign) * 0x1p-24;
  assign(slot);
}

// Of stem and stages of the encoder the first `count`.
bool is_frozen(const std::string& name, std::int64_t count) {
  if (!name.starts_with("encoder.")) return false;
  const std::size_t stage = name.find("layer");
  return (stage == std::string::npos ? 0 : name[stage + 5] - '0') < count;
}

std::vector<Slot> make_slots(Networks& networks, const TrainSettings& train) {
  std::vector<Slot> slots;
  for (const auto& [name, parameter] : parameters_of(networks)) {
    const std::vector<double> w = host(parameter.value.data()), zeros(w.size(), 0.0);
    slots.push_back(
        {.parameter = parameter,
         .w = w,
         .v = zeros,
         .second = zeros,
         .decayed = train.decay_norm_and_bias ||
                    parameter.value.shape().rank() > 1,  // norms and biases are vectors
         .constant_lr = train.constant_predictor_rate && name.starts_with("predictor."),
         .frozen = is_frozen(name, train.frozen_stages),
         .lr_factor = name.starts_with("encoder.") ? train.encoder_lr_factor : 1});
  }
  return slots;
}

// The image, or the next whole one that its number draws where it is broken and may be skipped.
Image read_or_replaced(const PretrainSettings& s, const Dataset& dataset, std::int64_t id, std::int64_t epoch) {
  RandomStream random(s.train.seed, static_cast<std::uint64_t>(id), static_cast<std::uint64_t>(epoch), Purpose::shuffle, 1);
  while (true) {
    try {
      return dataset.read(id);
    } catch (const IoError&) {
      if (s.data.on_broken == OnBroken::stop) throw;
      id = random.below(static_cast<std::uint64_t>(dataset.size()));
    }
  }
}

// The views of batch `index` of an epoch, each (N,H,W,C).
std::vector<Tensor> make_views(const PretrainSettings& s, const Dataset& dataset,
                               const Normalization& normalization, std::int64_t epoch,
                               std::int64_t index, const Device& device) {
  const std::vector<std::int64_t> order = epoch_order(dataset.size(), s.train.seed, epoch);
  const std::int64_t channels = device->image_channels(dataset.info().channels);
  std::vector<Tensor> views;
  for (std::size_t v = 0; v < s.augment.views.size(); ++v) {
    const ViewSettings& view = s.augment.views[v];
    const auto values =
        static_cast<std::size_t>(view.size) * static_cast<std::size_t>(view.size * channels);
    std::vector<float> pixels(values * static_cast<std::size_t>(s.train.batch));
    for (std::int64_t i = 0; i < s.train.batch; ++i) {
      const std::int64_t id = order.at(static_cast<std::size_t>(index * s.train.batch + i));
      const Image image = read_or_replaced(s, dataset, id, epoch);
      const ViewKey key{.seed = s.train.seed,
                        .sample = static_cast<std::uint64_t>(id),
                        .epoch = static_cast<std::uint64_t>(epoch),
                        .view = static_cast<std::uint32_t>(v)};
      apply_view(image, draw_view(view, image.size(), key), {view.size, view.size}, normalization,
                 channels, std::span(pixels).subspan(static_cast<std::size_t>(i) * values, values));
    }
    views.push_back(Tensor::from(pixels, {s.train.batch, view.size, view.size, channels}, device));
  }
  return views;
}

// Forward and backward of all views; gradients are left in the parameters. Returns the objective's
// metrics.
Metrics gradients(Networks& online, Networks& teacher, Objective& objective,
                  const std::vector<Tensor>& views, Dtype activations, std::int64_t accumulate) {
  std::vector<Tensor> teachers;
  if (objective.ema_teacher()) {
    const NoGrad no_grad;
    for (const Tensor& view : views) {
      const Variable z = in_parts(teacher, view.to(activations), accumulate, [&](const Variable& x) {
        return std::vector{teacher.project(x)};
      }).front();
      teachers.push_back(z.data().to(Dtype::f32));
    }
  }
  for (auto& [name, parameter] : parameters_of(online)) parameter.value.clear_grad();
  const StepContext context{.predict = [&](const Tensor& projections) {
    const NoGrad no_grad;
    const Variable x(projections.to(activations));
    return online.predictor.forward(x, {.training = true, .update_running = false})
        .data()
        .to(Dtype::f32);
  }};
  std::vector<Variable> embedded;
  std::vector<StudentView> students;
  std::vector<std::vector<double>> parts;
  const auto flush = [&] {
    const ObjectiveResult result = objective(students, teachers, context);
    backward(embedded, result.gradients);
    for (const Tensor& part : result.metrics) parts.push_back(host(part));
    embedded.clear();
    students.clear();
  };
  for (std::size_t v = 0; v < views.size(); ++v) {
    const std::vector<Variable> both =
        in_parts(online, views[v].to(activations), accumulate, [&](const Variable& x) {
          const Variable z = online.project(x);
          return std::vector{z, online.predictor.forward(z, kTraining)};
        });
    const Variable& z = both[0];
    embedded.push_back(to(both[1], Dtype::f32));
    students.push_back(
        {static_cast<std::int64_t>(v), embedded.back().data(), z.data().to(Dtype::f32)});
    if (!objective.ema_teacher()) teachers.push_back(students.back().projection);
    if (objective.view_by_view()) flush();
  }
  if (!students.empty()) flush();
  return objective.summarize(parts);
}

// t ← e·t + (1 − e)·w for the parameters that the teacher has.
void average(Networks& teacher, const std::vector<Slot>& online, double e) {
  std::size_t i = 0;
  for (auto& [name, parameter] : parameters_of(teacher)) {
    std::vector<double> values = host(parameter.value.data());
    for (std::size_t j = 0; j < values.size(); ++j)
      values[j] = e * values[j] + (1 - e) * online[i].w[j];
    const Tensor& data = parameter.value.data();
    parameter.value.assign(Tensor::from(values, data.shape(), data.device()).to(data.dtype()));
    ++i;
  }
}

NamedValues values_of(Networks& online, Networks* teacher) {
  NamedValues values;
  add_values("", online, values);
  if (teacher) {
    add_values("teacher.encoder.", teacher->encoder, values);
    add_values("teacher.projector.", teacher->projector, values);
  }
  return values;
}

// "encoder", "teacher", …; matrices apart from vectors, and running statistics apart from both.
std::string kind_of(const std::string& name, std::size_t size, const NamedValues& values) {
  const std::string part = name.substr(0, name.find('.'));
  if (name.find("running_") != std::string::npos) return part + " statistics";
  const std::string bias = name.substr(0, name.rfind('.')) + ".bias";
  const bool vector =
      name.ends_with(".bias") || (values.contains(bias) && values.at(bias).size() == size);
  return part + (vector ? " vectors" : " matrices");
}

}  // namespace

void add_values(const std::string& prefix, Module& module, NamedValues& values) {
  for (const auto& [name, parameter] : parameters_of(module, prefix))
    values[name] = host(parameter.value.data());
  for (const auto& [name, buffer] : buffers_of(module, prefix)) values[name] = host(buffer);
}

PlainRun plain_run(const PretrainSettings& settings, const DatasetPtr& dataset,
                   const Normalization& normalization, const Device& device, bool nudged) {
  const std::int64_t channels = dataset->info().channels,
                     per_epoch = dataset->size() / settings.train.batch;
  const Dtype activations = settings.train.precision == "bf16" ? Dtype::bf16 : Dtype::f32;
  Networks online(settings.model, channels, device), teacher(settings.model, channels, device);
  for (Networks* networks : {&online, &teacher}) {
    networks->frozen = settings.train.frozen_stages;
    networks->frozen_statistics = settings.train.frozen_batch_norm;
  }
  initialize(online, settings.train.seed);
  if (!settings.model.weights.empty()) {
    LoadOptions how;
    if (!settings.model.weights_prefix.empty()) how.prefix = settings.model.weights_prefix;
    load_weights(settings.model.weights, online.encoder, how);
  }
  copy_state(online, teacher);
  freeze(teacher);
  auto objective = make_plain_objective(settings, 1, device);
  Networks* const averaged = objective->ema_teacher() ? &teacher : nullptr;
  std::vector<Slot> slots = make_slots(online, settings.train);
  PlainRun run{.steps = {},
               .has_teacher = averaged != nullptr,
               .start = values_of(online, averaged),
               .end = {}};
  for (std::int64_t step = 0; step < settings.train.epochs * per_epoch; ++step) {
    PlainStep plain = scheduled(settings, step, per_epoch);
    if (settings.method == "mec") objective = make_plain_objective(settings, plain.eps2, device);
    objective->before_step(step, per_epoch);
    const auto views =
        make_views(settings, *dataset, normalization, step / per_epoch, step % per_epoch, device);
    plain.metrics = gradients(online, teacher, *objective, views, activations,
                              settings.train.accumulate);
    for (Slot& slot : slots) update(slot, settings.train, plain.lr, step);
    if (nudged) std::ranges::for_each(slots, nudge);
    if (averaged) average(teacher, slots, plain.ema);
    run.steps.push_back(plain);
  }
  run.end = values_of(online, averaged);
  return run;
}

double distance(const NamedValues& a, const PlainRun& b) {
  if (a.size() != b.end.size()) return std::numeric_limits<double>::infinity();
  struct Sums {
    double apart = 0, moved = 0;
  };
  std::map<std::string, Sums> sums;
  for (const auto& [name, values] : b.end) {
    const auto found = a.find(name);
    if (found == a.end() || found->second.size() != values.size())
      return std::numeric_limits<double>::infinity();
    Sums& sum = sums[kind_of(name, values.size(), b.end)];
    for (std::size_t i = 0; i < values.size(); ++i) {
      sum.apart += std::pow(found->second[i] - values[i], 2);
      sum.moved += std::pow(values[i] - b.start.at(name)[i], 2);
    }
  }
  double largest = 0;
  for (const auto& [kind, sum] : sums) {
    if (sum.apart == 0) continue;
    const double ratio = std::sqrt(sum.apart / sum.moved);
    largest = std::isnan(ratio) ? ratio : std::max(largest, ratio);
  }
  return largest;
}

}  // namespace mec::test
