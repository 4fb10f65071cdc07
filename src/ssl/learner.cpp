#include "mec/ssl/learner.h"

#include "mec/nn/initialize.h"
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

SgdOptions optimizer_options(const TrainSettings& train) {
  check<ValueError>(train.optimizer == "sgd" || train.optimizer == "lars", "train.optimizer is \"sgd\" or \"lars\", but is \"",
                    train.optimizer, "\"");
  SgdOptions options{.momentum = train.momentum};
  if (train.optimizer == "lars") options.lars_eta = train.lars_eta;
  return options;
}

std::vector<GroupRule> group_rules(const TrainSettings& train) {
  const GroupRule everything{.weight_decay = train.weight_decay};
  if (train.decay_norm_and_bias) return {everything};
  return {{.name = "norm_and_bias", .kinds = {ParameterKind::norm, ParameterKind::bias}, .lars = false}, everything};
}

// Initialised before the tables are made, and the teacher frozen, so that nothing is ever recorded for it.
OnlineNetwork make_online(const LearnerOptions& options, const Placement& where) {
  OnlineNetwork online(options.model, options.in_channels, where);
  initialize(online, options.train.seed);
  return online;
}

TeacherNetwork make_teacher(const LearnerOptions& options, TeacherNetwork& online, const Placement& where) {
  TeacherNetwork teacher(options.model, options.in_channels, where);
  copy_state(online.encoder, teacher.encoder);
  copy_state(online.projector, teacher.projector);
  freeze(teacher);
  return teacher;
}

}  // namespace

Learner::Learner(const LearnerOptions& options, const Device& device)
    : activations(parse_precision(options.train.precision, options.parameters, device)),
      online(make_online(options, {device, options.parameters})),
      teacher(make_teacher(options, online, {device, options.parameters})),
      parameters(online, group_rules(options.train)),
      teacher_parameters(teacher, group_rules(options.train)),
      optimizer(parameters, optimizer_options(options.train)),
      ema(teacher_parameters, parameters) {}

}  // namespace mec
