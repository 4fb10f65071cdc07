#include "mec/ssl/methods/methods.h"

#include <algorithm>
#include <cmath>

#include "mec/ssl/methods/regularized.h"
#include "mec/ssl/methods/supervised.h"
#include "mec/tensor/text.h"

namespace mec {

// One line each; methods/<name>.cpp defines <name>_method(). The order is that of help texts.
// clang-format off
#define MEC_METHODS(method) \
  method(mec)               \
  method(simsiam)           \
  method(barlow_twins)      \
  method(simclr)            \
  method(moco_v2)           \
  method(swav)              \
  method(byol)              \
  method(vicreg)
// clang-format on

#define MEC_DECLARE(name) Method name##_method();
MEC_METHODS(MEC_DECLARE)
#undef MEC_DECLARE

const std::vector<Method>& methods() {
#define MEC_DESCRIBE(name) name##_method(),
  static const std::vector<Method> table{MEC_METHODS(MEC_DESCRIBE)};
#undef MEC_DESCRIBE
  return table;
}

const Method& find_method(const std::string& name) {
  const auto found = std::ranges::find(methods(), name, &Method::name);
  if (found != methods().end()) return *found;
  static const Method supervised = supervised_method();
  if (name == supervised.name) return supervised;
  std::vector<std::string> known;
  for (const Method& method : methods()) known.push_back(method.name);
  known.push_back(supervised.name);
  throw ValueError(concat("method is one of ", joined(known), ", but is \"", name, "\""));
}

double method_setting(const PretrainSettings& settings, const std::string& name) {
  const Method& method = find_method(settings.method);
  const auto known = std::ranges::find(method.settings, name, &MethodSetting::name);
  check<ValueError>(known != method.settings.end(), "method ", method.name, " has no setting ", name);
  const auto set = settings.method_settings.find(name);
  return set != settings.method_settings.end() ? set->second : known->value;
}

bool learns_from_labels(const PretrainSettings& settings) { return !find_method(settings.method).make; }

void choose_method(PretrainSettings& settings, const std::string& name) {
  const Method& method = find_method(name);
  const bool labels_before = learns_from_labels(settings);
  const ModelSettings kept_model = settings.model;
  const TrainSettings kept_train = settings.train;
  settings.model = {.weights = kept_model.weights,
                    .weights_prefix = kept_model.weights_prefix,
                    .arch = kept_model.arch,
                    .stem = kept_model.stem,
                    .width = kept_model.width,
                    .zero_init_residual = kept_model.zero_init_residual};
  settings.train = {.epochs = kept_train.epochs,
                    .accumulate = kept_train.accumulate,
                    .sync_batch_norm = kept_train.sync_batch_norm,
                    .seed = kept_train.seed,
                    .precision = kept_train.precision,
                    .checkpoint_epochs = kept_train.checkpoint_epochs,
                    .checkpoint_steps = kept_train.checkpoint_steps,
                    .checkpoint_minutes = kept_train.checkpoint_minutes,
                    .checkpoints_kept = kept_train.checkpoints_kept};
  method.defaults(settings.model, settings.train);
  if (settings.method != name) settings.method_settings.clear();
  settings.method = name;
  if (learns_from_labels(settings) != labels_before) {
    const int size = settings.augment.views.front().size;
    settings.augment = labels_before ? AugmentSettings{} : supervised_views();
    for (ViewSettings& view : settings.augment.views) view.size = size;
  }
  for (const MethodSetting& own : method.settings) settings.method_settings.try_emplace(own.name, own.value);
}

bool has_averaged_teacher(const PretrainSettings& settings) {
  const Method& method = find_method(settings.method);
  const bool may_be_off = std::ranges::count(method.settings, "ema_teacher", &MethodSetting::name) > 0;
  return method.averaged_teacher && (!may_be_off || method_setting(settings, "ema_teacher") != 0);
}

namespace {

void check_own_settings(const PretrainSettings& settings) {
  const Method& method = find_method(settings.method);
  for (const MethodSetting& own : method.settings) {
    const double value = method_setting(settings, own.name);
    const double high = own.kind == MethodSetting::Kind::word ? static_cast<double>(own.words.size()) - 1 : own.high;
    check<ValueError>(value >= own.low && value <= high, method.name, ".", own.name, " lies in [", own.low, ", ", high,
                      "], but is ", value);
    check<ValueError>(own.kind == MethodSetting::Kind::real || value == std::trunc(value), method.name, ".", own.name,
                      " is a whole number, but is ", value);
  }
  for (const auto& [name, value] : settings.method_settings) method_setting(settings, name);  // refuses unknown names
}

}  // namespace

std::unique_ptr<PairObjective> make_objective(const PretrainSettings& settings, const Device& device, Dtype dtype) {
  check_own_settings(settings);
  const Method& method = find_method(settings.method);
  check<ValueError>(method.make != nullptr, "method ", method.name,
                    " learns from labels, and has no loss of pairs of embeddings");
  return method.make({.settings = settings, .device = device, .dtype = dtype});
}

std::unique_ptr<Objective> make_step_objective(const PretrainSettings& settings, const Device& device, Dtype dtype) {
  if (learns_from_labels(settings)) {
    check_own_settings(settings);
    check<ValueError>(settings.mixture_kl.weight == 0, "mixture_kl.weight is ", settings.mixture_kl.weight, ", but method ",
                      settings.method, " has no embeddings that it could regularise; set it to 0");
    return std::make_unique<SupervisedObjective>(method_setting(settings, "label_smoothing"));
  }
  std::unique_ptr<Objective> objective = make_objective(settings, device, dtype);
  if (settings.mixture_kl.weight == 0) return objective;
  const std::int64_t width = settings.model.prototypes ? settings.model.prototypes : settings.model.dim;  // of embeddings
  return std::make_unique<RegularizedObjective>(std::move(objective), settings.mixture_kl, width, dtype, device);
}

}  // namespace mec
