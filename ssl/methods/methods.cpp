#include "mec/ssl/methods/methods.h"

#include <algorithm>
#include <cmath>

namespace mec {

// One line each; objectives/<name>.cpp defines <name>_method(). The order is that of help texts.
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
  std::string known;
  for (const Method& method : methods()) known += (known.empty() ? "" : ", ") + method.name;
  throw ValueError(concat("method is one of ", known, ", but is \"", name, "\""));
}

void choose_method(PretrainSettings& settings, const std::string& name) {
  const Method& method = find_method(name);
  const ModelSettings kept_model = settings.model;
  const TrainSettings kept_train = settings.train;
  settings.method = name;
  settings.model = {.arch = kept_model.arch,
                    .stem = kept_model.stem,
                    .width = kept_model.width,
                    .zero_init_residual = kept_model.zero_init_residual};
  settings.train = {.epochs = kept_train.epochs,
                    .seed = kept_train.seed,
                    .precision = kept_train.precision,
                    .checkpoint_epochs = kept_train.checkpoint_epochs};
  method.publish(settings.model, settings.train);
  settings.method_numbers.clear();
  for (const MethodNumber& number : method.numbers) settings.method_numbers[number.name] = number.value;
}

bool has_averaged_teacher(const PretrainSettings& settings) {
  return find_method(settings.method).averaged_teacher &&
         (!has_distortion(settings) || settings.mec.ema_teacher);
}

bool has_distortion(const PretrainSettings& settings) { return settings.method == "mec"; }

std::unique_ptr<PairObjective> make_objective(const PretrainSettings& settings, const Device& device, Dtype dtype) {
  const Method& method = find_method(settings.method);
  for (const MethodNumber& number : method.numbers) {
    const auto set = settings.method_numbers.find(number.name);
    check<ValueError>(set != settings.method_numbers.end(), method.name, ".", number.name,
                      " is not set; choose_method() sets what was published");
    check<ValueError>(set->second >= number.low && set->second <= number.high, method.name, ".", number.name, " lies in [",
                      number.low, ", ", number.high, "], but is ", set->second);
    check<ValueError>(!number.whole || set->second == std::trunc(set->second), method.name, ".",
                      number.name, " is a whole number, but is ", set->second);
  }
  return method.make({.settings = settings, .device = device, .dtype = dtype});
}

std::unique_ptr<Objective> make_step_objective(const PretrainSettings& settings, const Device& device, Dtype dtype) {
  std::unique_ptr<Objective> objective = make_objective(settings, device, dtype);
  if (settings.mixture_kl.weight == 0) return objective;
  const std::int64_t width = settings.model.prototypes ? settings.model.prototypes : settings.model.dim;  // of embeddings
  return std::make_unique<RegularizedObjective>(std::move(objective), settings.mixture_kl, width, dtype, device);
}

}  // namespace mec
