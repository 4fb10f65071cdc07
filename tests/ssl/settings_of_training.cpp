// Every setting of a training does what it means: learner, schedules, optimiser and objective
// against a run that is written out in the test (support/plain_run.h).
// tests/cli/settings_effects.cpp does the same from the settings' names.
#include <doctest/doctest.h>

#include "data/fixtures.h"
#include "mec/data/loader/loader.h"
#include "mec/ssl/methods/methods.h"
#include "mec/tensor/devices.h"
#include "support/setting_effects.h"

using namespace mec;
using namespace mec::test;

namespace {

const Normalization kNormalization{.mean = {0.4F, 0.5F, 0.6F}, .std = {0.2F, 0.25F, 0.3F}};

Device one_thread() { return make_cpu_device({.threads = 1}); }

Witness library_run(const PretrainSettings& settings, const DatasetPtr& dataset,
                    const Device& device) {
  const auto objective = make_step_objective(settings, device);
  Learner learner({.model = settings.model,
                   .train = settings.train,
                   .in_channels = dataset->info().channels,
                   .ema_teacher = objective->ema_teacher()},
                  device);
  Loader loader(dataset, make_augmentation(settings.augment, kNormalization),
                {.batch = settings.train.batch,
                 .epochs = settings.train.epochs,
                 .shuffle = true,
                 .drop_last = true,
                 .seed = settings.train.seed},
                device);
  Witness witness;
  train(learner, *objective, loader, settings, {&witness});
  return witness;
}

}  // namespace

TEST_CASE(
    "every training setting does what it means, in each step and in the weights that it ends "
    "with") {
  const Device device = one_thread();
  const DatasetPtr dataset = random_dataset(26, {12, 12}, 3);
  for (const SettingRow& row : training_rows()) {
    CAPTURE(row.method);
    CAPTURE(row.change.assignment);
    const PlainRun plain = plain_run(settings_with(row), dataset, kNormalization, device);
    check_run(library_run(settings_with(row), dataset, device), plain,
              [&] { return plain_run(settings_with(row), dataset, kNormalization, device, true); });
    if (row.changes_training)
      check_different(plain_run(settings_without(row), dataset, kNormalization, device), plain);
  }
}

TEST_CASE("every method trains as the written-out run does with its paper's settings") {
  const Device device = one_thread();
  const DatasetPtr dataset = random_dataset(26, {12, 12}, 3);
  for (const Method& method : methods()) {
    CAPTURE(method.name);
    const PretrainSettings settings = base_settings(method.name);
    check_run(library_run(settings, dataset, device), plain_run(settings, dataset, kNormalization, device),
              [&] { return plain_run(settings, dataset, kNormalization, device, true); });
  }
}
