#include "mec/ssl/training/learner.h"

#include "mec/nn/initialize.h"
#include "mec/nn/optim/adamw.h"
#include "mec/nn/optim/sgd.h"
#include "mec/tensor/backend.h"

namespace mec {

namespace {

Dtype parse_precision(const std::string& precision, Dtype parameters, const Device& device) {
  check<ValueError>(precision == "f32" || precision == "bf16", "train.precision is \"f32\" or \"bf16\", but is \"", precision,
                    "\"");
  const Dtype dtype = precision == "bf16" ? Dtype::bf16 : parameters;
  check<ValueError>(device->supports(dtype), "train.precision: the ", device->name(), " device does not compute in ", dtype);
  return dtype;
}

std::unique_ptr<Optimizer> make_optimizer(const TrainSettings& train, ParameterTable& table) {
  if (train.optimizer == "adamw") {
    return std::make_unique<AdamW>(table, AdamWOptions{.beta1 = train.beta1, .beta2 = train.beta2, .eps = train.adam_eps});
  }
  check<ValueError>(train.optimizer == "sgd" || train.optimizer == "lars",
                    "train.optimizer is \"sgd\", \"lars\" or \"adamw\", but is \"", train.optimizer, "\"");
  SgdOptions options{.momentum = train.momentum};
  if (train.optimizer == "lars") options.lars_eta = train.lars_eta;
  return std::make_unique<Sgd>(table, options);
}

std::vector<GroupRule> group_rules(const TrainSettings& train) {
  const GroupRule everything{.weight_decay = train.weight_decay};
  std::vector<GroupRule> rules{everything};
  if (!train.decay_norm_and_bias) {
    rules.insert(rules.begin(), {.name = "norm_and_bias", .kinds = {ParameterKind::norm, ParameterKind::bias}, .lars = false});
  }
  // The same rules again, for one part of the network alone.
  const auto apart = [&rules, all = rules](const std::string& part, const auto& change) {
    std::vector<GroupRule> own = all;
    for (GroupRule& rule : own) {
      rule.name = concat(part, "_", rule.name);
      rule.prefix = part + ".";
      change(rule);
    }
    rules.insert(rules.begin(), own.begin(), own.end());
  };
  if (train.constant_predictor_rate) apart("predictor", [&](GroupRule& rule) { rule.constant_lr = train.lr; });
  if (train.encoder_lr_factor != 1) apart("encoder", [&](GroupRule& rule) { rule.lr_factor = train.encoder_lr_factor; });
  return rules;
}

void freeze_as(const TrainSettings& train, ResNet& encoder) {
  encoder.freeze_parts(train.frozen_stages);
  encoder.frozen_statistics = train.frozen_batch_norm;
}

// Both networks are initialised before their parameter tables are made. The teacher is also frozen,
// so that no graph is recorded for it.
OnlineNetwork make_online(const LearnerOptions& options, const Placement& where) {
  OnlineNetwork online(options.model, options.in_channels, where, options.classifier);
  initialize(online, options.train.seed);
  freeze_as(options.train, online.encoder);
  return online;
}

TeacherNetwork make_teacher(const LearnerOptions& options, TeacherNetwork& online, const Placement& where) {
  TeacherNetwork teacher(options.model, options.in_channels, where);
  copy_state(online.encoder, teacher.encoder);
  copy_state(online.projector, teacher.projector);
  freeze_as(options.train, teacher.encoder);
  freeze(teacher);
  return teacher;
}

// Null where each rank normalises by its own statistics.
std::unique_ptr<SyncBatchNorm> make_across(const LearnerOptions& options) {
  const std::int64_t group = options.train.sync_batch_norm;
  if (options.ranks->size() == 1 || group == 0) return nullptr;
  if (group == 1) return std::make_unique<SyncBatchNorm>(options.ranks);
  return std::make_unique<SyncBatchNorm>(options.ranks->split(options.ranks->rank() / static_cast<int>(group)));
}

}  // namespace

Teacher::Teacher(const LearnerOptions& options, OnlineNetwork& online, const ParameterTable& online_parameters,
                 const Device& device)
    : network(make_teacher(options, online, {device, options.parameters})),
      parameters(network, group_rules(options.train)),
      ema(parameters, online_parameters) {}

Learner::Learner(const LearnerOptions& options, const Device& device)
    : activations(parse_precision(options.train.precision, options.parameters, device)),
      accumulate(options.train.accumulate),
      on_nonfinite(options.train.on_nonfinite),
      ranks(options.ranks),
      classifier(options.classifier),
      across(make_across(options)),
      online(make_online(options, {device, options.parameters})),
      parameters(online, group_rules(options.train)),
      teacher(options.ema_teacher ? std::make_unique<Teacher>(options, online, parameters, device) : nullptr),
      optimizer(make_optimizer(options.train, parameters)),
      sums(ranks->size() > 1 ? std::make_unique<GradientSums>(parameters, ranks) : nullptr) {}

}  // namespace mec
