// The settings that a run has when nothing is said: those of the papers and their official code,
// method by method.
#include <doctest/doctest.h>

#include "mec/ssl/methods/mec.h"
#include "mec/ssl/methods/methods.h"

using namespace mec;

namespace {

// Heads, optimiser and teacher in one line, in the order of settings.h.
std::string describe(const PretrainSettings& s) {
  const ModelSettings& m = s.model;
  const TrainSettings& t = s.train;
  std::string text =
      concat(std::boolalpha, "dim ", m.dim, ", projector ", m.proj_layers, "x", m.proj_hidden, " ",
             m.proj_norm, " ", m.proj_output_norm, ", predictor ", m.pred_hidden, ", prototypes ",
             m.prototypes, "; batch ", t.batch, " ", t.optimizer, " lr ", t.lr, " warmup ",
             t.warmup.epochs, " decay ", t.weight_decay, " ", t.decay_norm_and_bias, ", momentum ",
             t.momentum, ", eta ", t.lars_eta, ", ema ", t.ema, " ", t.ema_end, ", ",
             t.constant_predictor_rate);
  if (s.method == "mec") return text;  // its own settings are checked one by one below
  for (const auto& [name, value] : s.method_settings) text += concat("; ", name, " ", value);
  return text;
}

struct Row {
  const char *method, *defaults;
};
constexpr Row kRows[] = {
    {"mec",
     "dim 2048, projector 3x0 true true, predictor 512, prototypes 0; batch 1024 sgd lr 2 warmup "
     "10 decay 1e-05 true, "
     "momentum 0.9, eta 0.001, ema 0.996 1, false"},
    {"simsiam",
     "dim 2048, projector 3x0 true true, predictor 512, prototypes 0; batch 512 sgd lr 0.1 warmup "
     "0 decay 0.0001 true, "
     "momentum 0.9, eta 0.001, ema 0.996 1, true"},
    {"barlow-twins",
     "dim 8192, projector 3x8192 true false, predictor 0, prototypes 0; batch 2048 lars lr 1.6 "
     "warmup 10 decay 1e-06 "
     "false, momentum 0.9, eta 0.001, ema 0.996 1, false; lambda 0.0051; scale 0.1"},
    {"simclr",
     "dim 256, projector 2x2048 false false, predictor 0, prototypes 0; batch 4096 lars lr 4.8 "
     "warmup 10 decay 1e-06 "
     "false, momentum 0.9, eta 0.001, ema 0.996 1, false; temperature 0.2"},
    {"moco-v2",
     "dim 128, projector 2x2048 false false, predictor 0, prototypes 0; batch 256 sgd lr 0.03 "
     "warmup 0 decay 0.0001 true, "
     "momentum 0.9, eta 0.001, ema 0.999 0.999, false; queue 65536; temperature 0.2"},
    {"swav",
     "dim 128, projector 2x2048 true false, predictor 0, prototypes 3000; batch 256 lars lr 0.6 "
     "warmup 10 decay 1e-06 "
     "true, momentum 0.9, eta 0.001, ema 0.996 1, false; epsilon 0.05; queue 0; queue_epoch 15; "
     "rounds 3; temperature 0.1"},
    {"byol",
     "dim 256, projector 2x4096 true false, predictor 4096, prototypes 0; batch 4096 lars lr 7.2 "
     "warmup 10 decay 1e-06 "
     "false, momentum 0.9, eta 0.001, ema 0.99 1, false"},
    {"vicreg",
     "dim 8192, projector 3x8192 true false, predictor 0, prototypes 0; batch 2048 lars lr 1.6 "
     "warmup 10 decay 1e-06 "
     "false, momentum 0.9, eta 0.001, ema 0.996 1, false; covariance 1; invariance 25; variance "
     "25"},
};

std::string defaults_of(const std::string& method) {
  for (const Row& row : kRows) {
    if (method == row.method) return row.defaults;
  }
  return "";
}

}  // namespace

TEST_CASE("a method starts from its paper's settings") {
  REQUIRE(std::size(kRows) == methods().size());
  for (const Row& row : kRows) {
    PretrainSettings settings;
    choose_method(settings, row.method);
    CHECK(describe(settings) == row.defaults);
  }
}

TEST_CASE("without a word the method is MEC, with its paper's settings") {
  const PretrainSettings s;
  CHECK(s.method == "mec");
  CHECK(describe(s) == defaults_of("mec"));
  CHECK(s.train.epochs == 100);
  CHECK(s.train.warmup.steps == -1);
  CHECK(s.train.precision == "f32");
  CHECK(s.train.checkpoint_epochs == 1);
  CHECK(s.train.checkpoint_steps == 0);
  CHECK(s.train.checkpoint_minutes == 10);
  CHECK(s.train.checkpoints_kept == 2);
  CHECK(s.train.beta1 == 0.9);
  CHECK(s.train.beta2 == 0.999);
  CHECK(s.train.adam_eps == 1e-8);
  CHECK(s.train.seed == 0);
  CHECK(s.model.arch == "resnet50");
  CHECK(s.model.stem == "imagenet");
  CHECK(s.model.width == 64);
  CHECK(s.model.zero_init_residual);
  const MecSettings mec = mec_settings(s);
  CHECK(mec.order == 4);
  CHECK_FALSE(mec.exact);
  CHECK(mec.side == Side::automatic);
  CHECK_FALSE(mec.symmetrize);
  CHECK(mec.on_divergence == OnDivergence::adapt);
  CHECK(mec.eps2 == 64);
  CHECK(mec.ema_teacher);
  CHECK(mec.components == 1);
  CHECK(mec.temperature == 0.1);
  CHECK(mec.lambda_warmup_factor == 8);
  CHECK(mec.lambda_warmup.epochs == 10);
  CHECK(mec.lambda_warmup.steps == -1);
  CHECK(s.mixture_kl.weight == 0);
  CHECK(s.mixture_kl.bandwidth == 0.05);
  CHECK(s.mixture_kl.components == 64);
  CHECK(s.mixture_kl.variance == 0.05);
  CHECK(s.data.kind == "auto");
  CHECK(s.data.split == "train");
  CHECK(s.data.limit == 0);
  CHECK(s.data.channels == 0);
  CHECK(s.data.workers == 1);
  CHECK(s.data.eval_size == 0);
  CHECK(s.eval.every_epochs == 0);
  CHECK(s.eval.knn);
  CHECK_FALSE(s.eval.probe);
  CHECK(s.eval.limit == 10000);
  CHECK_FALSE(s.log.tensorboard);
}

TEST_CASE(
    "choosing a method keeps encoder, length, seed, precision, checkpoints and scores, and sets the "
    "rest anew") {
  PretrainSettings settings;
  settings.model = {
      .arch = "resnet18", .stem = "cifar", .width = 16, .zero_init_residual = false, .dim = 7};
  settings.train.epochs = 3;
  settings.train.seed = 11;
  settings.train.precision = "bf16";
  settings.train.checkpoint_epochs = 2;
  settings.train.checkpoint_steps = 5;
  settings.train.checkpoint_minutes = 0.5;
  settings.train.checkpoints_kept = 4;
  settings.train.momentum = 0.5;
  settings.eval.every_epochs = 6;
  settings.log.tensorboard = true;
  settings.method_settings["temperature"] = 9;
  choose_method(settings, "byol");
  CHECK(settings.model.arch == "resnet18");
  CHECK(settings.model.stem == "cifar");
  CHECK(settings.model.width == 16);
  CHECK_FALSE(settings.model.zero_init_residual);
  CHECK(settings.train.epochs == 3);
  CHECK(settings.train.seed == 11);
  CHECK(settings.train.precision == "bf16");
  CHECK(settings.train.checkpoint_epochs == 2);
  CHECK(settings.train.checkpoint_steps == 5);
  CHECK(settings.train.checkpoint_minutes == 0.5);
  CHECK(settings.train.checkpoints_kept == 4);
  CHECK(settings.eval.every_epochs == 6);
  CHECK(settings.log.tensorboard);
  CHECK(describe(settings) == defaults_of("byol"));
}

TEST_CASE("a method's own settings stay where it is chosen again, and go with another method") {
  PretrainSettings settings;
  settings.method_settings["eps2"] = 5;
  choose_method(settings, "mec");
  CHECK(settings.method_settings.at("eps2") == 5);
  CHECK(settings.method_settings.at("order") == 4);
  choose_method(settings, "swav");
  CHECK_FALSE(settings.method_settings.contains("eps2"));
  choose_method(settings, "mec");
  CHECK(settings.method_settings.at("eps2") == 64);
}
