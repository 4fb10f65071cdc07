#include "support/setting_effects.h"

#include <cmath>
#include <optional>

namespace mec::test {

namespace {

// Relative. Updates are rounded to f32 in one run and made in f64 in the other, and a batch norm
// over few rows makes such differences several times as large in each step.
constexpr double kSame = 0.02;
constexpr double kRoundings = 10;  // in a step, of a weight's way through the networks
constexpr double kDifferent = 5 * kSame;

}  // namespace

void Witness::on_step(const StepReport& report) { steps.push_back(report); }

void Witness::on_epoch(std::int64_t, Learner& learner) {
  end.clear();
  add_values("", learner.online, end);
  if (learner.teacher) add_values("teacher.", learner.teacher->network, end);
}

void check_run(const Witness& run, const PlainRun& plain, const std::function<PlainRun()>& nudged) {
  std::optional<PlainRun> twin;
  // Two values are `apart`, and so far has a rounding `carried`, where it must be asked.
  const auto is_same = [&](double apart, double allowed, const std::function<double(const PlainRun&)>& carried) {
    if (apart < allowed) return true;
    if (!twin) twin = nudged();
    return apart < allowed + kRoundings * carried(*twin);
  };
  REQUIRE(run.steps.size() == plain.steps.size());
  for (std::size_t i = 0; i < plain.steps.size(); ++i) {
    const StepReport& ours = run.steps[i];
    const PlainStep& expected = plain.steps[i];
    CAPTURE(i);
    CHECK(ours.step == static_cast<std::int64_t>(i) + 1);
    CHECK(ours.values.lr == doctest::Approx(expected.lr).epsilon(1e-12));
    CHECK(ours.values.ema == doctest::Approx(expected.ema).epsilon(1e-12));
    REQUIRE(ours.scheduled.size() == expected.scheduled.size());
    for (std::size_t m = 0; m < ours.scheduled.size(); ++m) {
      CHECK(ours.scheduled[m].first == expected.scheduled[m].first);
      CHECK(ours.scheduled[m].second == doctest::Approx(expected.scheduled[m].second).epsilon(1e-12));
    }
    REQUIRE(ours.metrics.size() == expected.metrics.size());
    for (std::size_t m = 0; m < ours.metrics.size(); ++m) {
      CHECK(ours.metrics[m].first == expected.metrics[m].first);
      const double got = ours.metrics[m].second, wanted = expected.metrics[m].second;
      CAPTURE(got);
      CAPTURE(wanted);
      if (i == 0) CHECK(got == wanted);
      else
        CHECK(is_same(std::fabs(got - wanted), kSame * (1 + std::fabs(wanted)),
                      [&](const PlainRun& other) { return std::fabs(other.steps[i].metrics[m].second - wanted); }));
    }
  }
  const double apart = distance(run.end, plain);
  CAPTURE(apart);
  CHECK(is_same(apart, kSame, [&](const PlainRun& other) { return distance(other.end, plain); }));
}

void check_different(const PlainRun& a, const PlainRun& b) {
  if (a.steps.size() != b.steps.size() || a.steps[0].metrics != b.steps[0].metrics) return;
  CHECK(distance(a.end, b) > kDifferent);
}

PretrainSettings settings_without(const SettingRow& row) {
  PretrainSettings settings = base_settings(row.method);
  for (const Change& change : row.beside) change.apply(settings);
  return settings;
}

PretrainSettings settings_with(const SettingRow& row) {
  PretrainSettings settings = settings_without(row);
  row.change.apply(settings);
  for (const Change& change : row.after) change.apply(settings);
  return settings;
}

}  // namespace mec::test
