#include "support/setting_rows.h"

#include "mec/ssl/methods/mec.h"
#include "mec/ssl/methods/methods.h"

namespace mec::test {

namespace {

// The assignment as text, and the same to the member.
#define MEC_SET(text, statement)                   \
  Change {                                         \
    text, [](PretrainSettings& s) { s.statement; } \
  }

const Change kLars = MEC_SET("train.optimizer=lars", train.optimizer = "lars");
const Change kAdamw = MEC_SET("train.optimizer=adamw", train.optimizer = "adamw");
const Change kStrongDecay = MEC_SET("train.weight_decay=0.5", train.weight_decay = 0.5);
const Change kNoDecayOfVectors = MEC_SET("train.decay_norm_and_bias=false", train.decay_norm_and_bias = false);
const Change kStrongTrust = MEC_SET("train.lars_eta=0.05", train.lars_eta = 0.05);
const Change kWarmupByEpochs = MEC_SET("train.warmup_steps=-1", train.warmup.steps = -1);
const Change kComponents = MEC_SET("mec.components=2", method_settings["components"] = 2);
const Change kMixture = MEC_SET("mixture_kl.weight=0.5", mixture_kl.weight = 0.5);
const Change kDivergent = MEC_SET("mec.eps2=0.5", method_settings["eps2"] = 0.5);
// Where rounding grows fast from step to step.
const Change kOneEpoch = MEC_SET("train.epochs=1", train.epochs = 1);

const std::vector<Change> kNormalized{{"data.mean=[0.5, 0.5, 0.5]",
                                       [](PretrainSettings& s) {
                                         s.data.mean = {0.5, 0.5, 0.5};
                                       }},
                                      {"data.std=[0.25, 0.25, 0.25]", [](PretrainSettings& s) {
                                         s.data.std = {0.25, 0.25, 0.25};
                                       }}};

std::vector<SettingRow> model_rows() {
  return {
      {.change = MEC_SET("model.arch=resnet18", model.arch = "resnet18")},
      {.change = MEC_SET("model.stem=imagenet", model.stem = "imagenet")},
      {.change = MEC_SET("model.width=12", model.width = 12)},
      {.change = MEC_SET("model.zero_init_residual=false", model.zero_init_residual = false)},
      {.change = MEC_SET("model.dim=24", model.dim = 24)},
      {.change = MEC_SET("model.proj_layers=2", model.proj_layers = 2)},
      {.change = MEC_SET("model.proj_hidden=40", model.proj_hidden = 40)},
      {.change = MEC_SET("model.proj_hidden=0", model.proj_hidden = 0)},
      {.change = MEC_SET("model.proj_norm=false", model.proj_norm = false)},
      {.change = MEC_SET("model.proj_output_norm=false", model.proj_output_norm = false)},
      {.change = MEC_SET("model.pred_hidden=20", model.pred_hidden = 20)},
      {.change = MEC_SET("model.pred_hidden=0", model.pred_hidden = 0)},
      {.change = MEC_SET("model.prototypes=17", model.prototypes = 17), .method = "swav"},
  };
}

std::vector<SettingRow> mec_rows() {
  return {
      {.change = MEC_SET("mec.order=2", method_settings["order"] = 2)},
      {.change = MEC_SET("mec.exact=true", method_settings["exact"] = true)},
      // Both sides are one number, rounded otherwise: the bits of the first step's metrics tell.
      {.change = MEC_SET("mec.side=feature", method_settings["side"] = static_cast<double>(Side::feature)),
       .beside = {kOneEpoch},
       .changes_training = false},
      {.change = MEC_SET("mec.side=batch", method_settings["side"] = static_cast<double>(Side::batch)),
       .beside = {MEC_SET("model.dim=6", model.dim = 6), kOneEpoch},
       .changes_training = false},
      {.change = MEC_SET("mec.symmetrize=true", method_settings["symmetrize"] = true)},
      {.change = MEC_SET("mec.on_divergence=warn", method_settings["on_divergence"] = static_cast<double>(OnDivergence::warn)),
       .beside = {kDivergent, kOneEpoch}},
      {.change = MEC_SET("mec.eps2=3", method_settings["eps2"] = 3)},
      {.change = MEC_SET("mec.ema_teacher=false", method_settings["ema_teacher"] = false)},
      {.change = MEC_SET("mec.components=3", method_settings["components"] = 3)},
      {.change = MEC_SET("mec.temperature=0.7", method_settings["temperature"] = 0.7), .beside = {kComponents}},
      {.change = MEC_SET("mec.order=2", method_settings["order"] = 2), .beside = {kComponents}},
      {.change = MEC_SET("mec.exact=true", method_settings["exact"] = true), .beside = {kComponents}},
      {.change = MEC_SET("mec.symmetrize=true", method_settings["symmetrize"] = true), .beside = {kComponents}},
      {.change = MEC_SET("mec.on_divergence=warn", method_settings["on_divergence"] = static_cast<double>(OnDivergence::warn)),
       .beside = {kComponents, kDivergent, kOneEpoch}},
      {.change = MEC_SET("mec.ema_teacher=false", method_settings["ema_teacher"] = false), .beside = {kComponents}},
      {.change = MEC_SET("mec.lambda_warmup_factor=3", method_settings["lambda_warmup_factor"] = 3)},
      {.change = MEC_SET("mec.lambda_warmup_epochs=2", method_settings["lambda_warmup_epochs"] = 2)},
      {.change = MEC_SET("mec.lambda_warmup_steps=5", method_settings["lambda_warmup_steps"] = 5)},
      {.change = kMixture},
      {.change = MEC_SET("mixture_kl.estimate=product", mixture_kl.estimate = KlEstimate::product), .beside = {kMixture}},
      {.change = MEC_SET("mixture_kl.estimate=lower", mixture_kl.estimate = KlEstimate::lower), .beside = {kMixture}},
      {.change = MEC_SET("mixture_kl.estimate=upper", mixture_kl.estimate = KlEstimate::upper), .beside = {kMixture}},
      {.change = MEC_SET("mixture_kl.bandwidth=0.3", mixture_kl.bandwidth = 0.3), .beside = {kMixture}},
      {.change = MEC_SET("mixture_kl.components=7", mixture_kl.components = 7), .beside = {kMixture}},
      {.change = MEC_SET("mixture_kl.variance=0.4", mixture_kl.variance = 0.4), .beside = {kMixture}},
      {.change = MEC_SET("mixture_kl.seed=9", mixture_kl.seed = 9), .beside = {kMixture}},
      {.change = kMixture, .method = "swav"},
  };
}

std::vector<SettingRow> train_rows() {
  return {
      {.change = MEC_SET("train.epochs=3", train.epochs = 3)},
      {.change = MEC_SET("train.batch=12", train.batch = 12)},
      {.change = MEC_SET("train.accumulate=2", train.accumulate = 2)},
      {.change = MEC_SET("train.sync_batch_norm=false", train.sync_batch_norm = 0),
       .changes_training = false},  // in one process; tests/ssl/ranks.cpp has several
      {.change = kLars, .beside = {kStrongTrust}},
      {.change = kAdamw},
      {.change = MEC_SET("train.lr=0.02", train.lr = 0.02)},
      {.change = MEC_SET("train.lr=0.02", train.lr = 0.02), .beside = {kAdamw}},
      {.change = MEC_SET("train.warmup_epochs=2", train.warmup.epochs = 2), .beside = {kWarmupByEpochs}},
      {.change = MEC_SET("train.warmup_epochs=1.5", train.warmup.epochs = 1.5), .beside = {kWarmupByEpochs}},
      {.change = MEC_SET("train.warmup_steps=0", train.warmup.steps = 0)},
      {.change = MEC_SET("train.warmup_steps=5", train.warmup.steps = 5)},
      {.change = MEC_SET("train.momentum=0.3", train.momentum = 0.3)},
      {.change = MEC_SET("train.momentum=0.3", train.momentum = 0.3), .beside = {kLars, kStrongTrust}},
      {.change = kStrongDecay},
      {.change = kStrongDecay, .beside = {kNoDecayOfVectors}},
      {.change = kStrongDecay, .beside = {kAdamw}},
      {.change = kNoDecayOfVectors, .beside = {kStrongDecay}},
      {.change = kNoDecayOfVectors, .beside = {kStrongDecay, kLars, kStrongTrust}},
      {.change = kNoDecayOfVectors, .beside = {kStrongDecay, kAdamw}},
      {.change = MEC_SET("train.lars_eta=0.2", train.lars_eta = 0.2), .beside = {kLars}},
      {.change = MEC_SET("train.beta1=0.3", train.beta1 = 0.3), .beside = {kAdamw}},
      {.change = MEC_SET("train.beta2=0.4", train.beta2 = 0.4), .beside = {kAdamw}},
      {.change = MEC_SET("train.adam_eps=0.01", train.adam_eps = 0.01), .beside = {kAdamw}},
      {.change = MEC_SET("train.ema=0.3", train.ema = 0.3)},
      {.change = MEC_SET("train.ema_end=0.2", train.ema_end = 0.2)},
      {.change = MEC_SET("train.constant_predictor_rate=true", train.constant_predictor_rate = true)},
      {.change = MEC_SET("train.constant_predictor_rate=true", train.constant_predictor_rate = true),
       .beside = {kStrongDecay, kNoDecayOfVectors}},
      {.change = MEC_SET("train.lr_by_epoch=true", train.lr_by_epoch = true)},
      {.change = MEC_SET("train.encoder_lr_factor=0.1", train.encoder_lr_factor = 0.1)},
      {.change = MEC_SET("train.encoder_lr_factor=0.1", train.encoder_lr_factor = 0.1),
       .beside = {MEC_SET("train.constant_predictor_rate=true", train.constant_predictor_rate = true), kStrongDecay,
                  kNoDecayOfVectors}},
      {.change = MEC_SET("train.frozen_stages=1", train.frozen_stages = 1)},
      {.change = MEC_SET("train.frozen_stages=3", train.frozen_stages = 3)},
      {.change = MEC_SET("train.frozen_batch_norm=true", train.frozen_batch_norm = true)},
      {.change = MEC_SET("train.seed=11", train.seed = 11)},
      {.change = MEC_SET("train.precision=bf16", train.precision = "bf16"), .beside = {kOneEpoch}},
      {.change = MEC_SET("train.on_nonfinite=skip", train.on_nonfinite = OnNonfinite::skip), .changes_training = false},
      {.change = MEC_SET("train.nonfinite_limit=3", train.nonfinite_limit = 3), .changes_training = false},
      {.change = MEC_SET("train.health_steps=0", train.health_steps = 0), .changes_training = false},
      {.change = MEC_SET("train.checkpoint_epochs=2", train.checkpoint_epochs = 2), .changes_training = false},
      {.change = MEC_SET("train.checkpoint_steps=1", train.checkpoint_steps = 1), .changes_training = false},
      {.change = MEC_SET("train.checkpoint_minutes=0.001", train.checkpoint_minutes = 0.001), .changes_training = false},
      {.change = MEC_SET("train.checkpoints_kept=3", train.checkpoints_kept = 3), .changes_training = false},
      {.change = MEC_SET("log.tensorboard=true", log.tensorboard = true), .changes_training = false},
  };
}

SettingRow number_row(const std::string& method, const std::string& name, double value, std::vector<Change> beside = {}) {
  const std::string text = concat(method, ".", name, "=", value);
  return {.change = {text, [name, value](PretrainSettings& s) { s.method_settings.at(name) = value; }},
          .beside = std::move(beside),
          .method = method};
}

std::vector<SettingRow> method_rows() {
  const Change short_queue{"swav.queue=8", [](PretrainSettings& s) { s.method_settings.at("queue") = 8; }};
  return {
      {.change = {"method=simclr", [](PretrainSettings& s) { choose_method(s, "simclr"); }},
       .after = {MEC_SET("train.batch=8", train.batch = 8), MEC_SET("model.dim=16", model.dim = 16),
                 MEC_SET("model.proj_hidden=24", model.proj_hidden = 24),
                 MEC_SET("train.warmup_epochs=1", train.warmup.epochs = 1)}},
      number_row("simclr", "temperature", 0.7),
      number_row("barlow-twins", "lambda", 0.3),
      number_row("barlow-twins", "scale", 0.7),
      number_row("moco-v2", "temperature", 0.7),
      number_row("moco-v2", "queue", 24),
      number_row("swav", "temperature", 0.7),
      number_row("swav", "epsilon", 0.5),
      number_row("swav", "rounds", 1),
      number_row("swav", "queue", 0),
      number_row("swav", "queue_epoch", 0, {short_queue}),
      number_row("vicreg", "invariance", 3),
      number_row("vicreg", "variance", 3),
      number_row("vicreg", "covariance", 30),
      {.change = MEC_SET("train.seed=11", train.seed = 11), .method = "moco-v2"},
      {.change = MEC_SET("train.lr=0.3", train.lr = 0.3), .method = "simsiam"},
      {.change = MEC_SET("train.lr=0.3", train.lr = 0.3), .method = "byol"},
  };
}

struct ViewRow {
  const char *name, *text;
  void (*apply)(ViewSettings&);
};
constexpr ViewRow kViewRows[] = {
    {"size", "14", [](ViewSettings& v) { v.size = 14; }},
    {"scale_min", "0.8", [](ViewSettings& v) { v.scale_min = 0.8F; }},
    {"scale_max", "0.3", [](ViewSettings& v) { v.scale_max = 0.3F; }},
    {"ratio_min", "0.3", [](ViewSettings& v) { v.ratio_min = 0.3F; }},
    {"ratio_max", "3", [](ViewSettings& v) { v.ratio_max = 3.0F; }},
    {"jitter_probability", "0.1", [](ViewSettings& v) { v.jitter_probability = 0.1F; }},
    {"brightness", "0.9", [](ViewSettings& v) { v.brightness = 0.9F; }},
    {"contrast", "0.9", [](ViewSettings& v) { v.contrast = 0.9F; }},
    {"saturation", "0.9", [](ViewSettings& v) { v.saturation = 0.9F; }},
    {"hue", "0.5", [](ViewSettings& v) { v.hue = 0.5F; }},
    {"gray_probability", "0.9", [](ViewSettings& v) { v.gray_probability = 0.9F; }},
    {"blur_probability", "0.1", [](ViewSettings& v) { v.blur_probability = 0.1F; }},
    {"blur_sigma_min", "1.9", [](ViewSettings& v) { v.blur_sigma_min = 1.9F; }},
    {"blur_sigma_max", "0.7", [](ViewSettings& v) { v.blur_sigma_max = 0.7F; }},
    {"blur_kernel", "3", [](ViewSettings& v) { v.blur_kernel = 3; }},
    {"solarize_probability", "0.9", [](ViewSettings& v) { v.solarize_probability = 0.9F; }},
    {"solarize_threshold", "40", [](ViewSettings& v) { v.solarize_threshold = 40.0F; }},
    {"flip_probability", "0.9", [](ViewSettings& v) { v.flip_probability = 0.9F; }},
};

// The row for view `index`, or for all views where it is negative.
SettingRow view_row(const ViewRow& row, int index) {
  const std::string prefix = index < 0 ? "augment." : concat("augment.view", index + 1, ".");
  return {.change = {concat(prefix, row.name, "=", row.text), [apply = row.apply, index](PretrainSettings& s) {
                       for (int v = 0; v < static_cast<int>(s.augment.views.size()); ++v) {
                         if (index < 0 || v == index) apply(s.augment.views[static_cast<std::size_t>(v)]);
                       }
                     }}};
}

}  // namespace

const std::vector<SettingRow>& training_rows() {
  static const std::vector<SettingRow> rows = [] {
    std::vector<SettingRow> all;
    for (const auto& some : {model_rows(), mec_rows(), train_rows(), method_rows()})
      all.insert(all.end(), some.begin(), some.end());
    return all;
  }();
  return rows;
}

const std::vector<SettingRow>& data_rows() {
  static const std::vector<SettingRow> rows{
      {.change = MEC_SET("data.kind=mnist", data.kind = "mnist")},
      {.change = MEC_SET("data.split=test", data.split = "test")},
      {.change = MEC_SET("data.limit=17", data.limit = 17)},
      {.change = MEC_SET("data.fraction=0.5", data.fraction = 0.5)},
      {.change = MEC_SET("data.validation=0.3", data.validation = 0.3)},
      {.change = MEC_SET("data.channels=1", data.channels = 1)},
      {.change = {"data.mean=[0.1, 0.2, 0.3]",
                  [](PretrainSettings& s) {
                    s.data.mean = {0.1, 0.2, 0.3};
                  }},
       .beside = kNormalized},
      {.change = {"data.std=[1.5, 0.5, 0.25]",
                  [](PretrainSettings& s) {
                    s.data.std = {1.5, 0.5, 0.25};
                  }},
       .beside = kNormalized},
      {.change = MEC_SET("data.workers=3", data.workers = 3), .changes_training = false},
      {.change = MEC_SET("data.workers=0", data.workers = 0), .changes_training = false},
      {.change = MEC_SET("data.eval_size=19", data.eval_size = 19), .changes_training = false},
  };
  return rows;
}

const std::vector<SettingRow>& eval_rows() {
  static const Change gray = MEC_SET("data.kind=mnist", data.kind = "mnist"),
                      scored = MEC_SET("eval.every_epochs=1", eval.every_epochs = 1);
  static const std::vector<SettingRow> rows{
      {.change = scored, .beside = {gray}, .changes_training = false},
      {.change = MEC_SET("eval.every_epochs=2", eval.every_epochs = 2), .beside = {gray}, .changes_training = false},
      {.change = MEC_SET("eval.knn=false", eval.knn = false),
       .beside = {gray, scored, MEC_SET("eval.probe=true", eval.probe = true)},
       .changes_training = false},
      {.change = MEC_SET("eval.probe=true", eval.probe = true), .beside = {gray, scored}, .changes_training = false},
      {.change = MEC_SET("eval.limit=22", eval.limit = 22), .beside = {gray, scored}, .changes_training = false},
      {.change = scored, .beside = {gray}, .method = "simsiam", .changes_training = false},
  };
  return rows;
}

const std::vector<SettingRow>& augment_rows() {
  static const std::vector<SettingRow> rows = [] {
    std::vector<SettingRow> all{
        {.change = {"augment.views=3", [](PretrainSettings& s) { s.augment.views.push_back(official_second_view()); }},
         .after = {{"augment.size=11", [](PretrainSettings& s) {
                      for (ViewSettings& view : s.augment.views) view.size = 11;
                    }}}}};
    for (const ViewRow& row : kViewRows) {
      for (const int index : {-1, 0, 1}) all.push_back(view_row(row, index));
    }
    return all;
  }();
  return rows;
}

PretrainSettings base_settings(const std::string& method) {
  PretrainSettings s;
  choose_method(s, method);
  s.model.arch = "resnet10";
  s.model.stem = "cifar";
  s.model.width = 8;
  s.model.dim = 16;
  s.model.proj_hidden = 24;
  if (s.model.pred_hidden > 0) s.model.pred_hidden = 12;
  if (s.model.prototypes > 0) s.model.prototypes = 10;
  if (method == "mec") {
    s.method_settings["eps2"] = 16;
    s.method_settings["lambda_warmup_epochs"] = 1;
  }
  s.train.epochs = 2;
  s.train.batch = 8;
  s.train.lr = 0.1;
  s.train.warmup = {.epochs = 0, .steps = 2};
  s.train.ema = 0.9;
  s.train.seed = 3;
  if (s.method_settings.contains("queue")) s.method_settings.at("queue") = 16;
  if (s.method_settings.contains("queue_epoch")) s.method_settings.at("queue_epoch") = 1;
  for (ViewSettings& view : s.augment.views) {
    view.size = 10;
    view.jitter_probability = 0.8F;
    view.blur_probability = 0.5F;
    view.blur_sigma_min = 0.5F;
    view.solarize_probability = 0.3F;
  }
  return s;
}

}  // namespace mec::test
