// What a run did, and the check that it did what its settings mean.
#pragma once

#include <doctest/doctest.h>

#include <functional>

#include "mec/ssl/training/trainer.h"
#include "support/plain_run.h"
#include "support/setting_rows.h"

namespace mec::test {

// Watches a run: reports of all steps, the weights of the end.
struct Witness : Observer {
  void on_step(const StepReport& report) override;
  void on_epoch(std::int64_t epoch, Learner& learner) override;

  std::vector<StepReport> steps;
  NamedValues end;
};

// `run` trains with settings, `plain` is what should come of it. Schedules equal the formulas; the
// first step's metrics, which no update has rounded yet, are the same to the bit; later metrics and
// all weights agree up to rounding in f32 and in f64. Where they do not, `nudged` makes the plain
// run nudged by one rounding, and they may be as far apart as ten of these have carried it.
void check_run(const Witness& run, const PlainRun& plain, const std::function<PlainRun()>& nudged);

// The two differ by far more than check_run() lets pass.
void check_different(const PlainRun& a, const PlainRun& b);

// Every row: `train` does as the plain run of the row's settings, on `dataset`.
struct Expected {
  DatasetPtr dataset;
  Normalization normalization;
};
PretrainSettings settings_without(const SettingRow& row);  // what stands beside it alone
PretrainSettings settings_with(const SettingRow& row);

}  // namespace mec::test
