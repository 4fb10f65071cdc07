#include "mec/ssl/training/nonfinite_steps.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "mec/tensor/error.h"

namespace mec {

namespace {

// What the device looks at where steps may be skipped: rollback.h.
const char* culprit(double loss, const StepMetrics& metrics, bool skip) {
  if (!std::isfinite(loss)) return "a loss";
  if (!skip) return "a gradient";
  const auto finite = [](const auto& part) { return std::ranges::all_of(part, [](double x) { return std::isfinite(x); }); };
  return std::ranges::all_of(metrics.parts, finite) ? "a gradient or running statistic" : "a metric";
}

}  // namespace

NonfiniteSteps::NonfiniteSteps(const TrainSettings& train, std::int64_t in_a_row, Note note)
    : skip_(train.on_nonfinite == OnNonfinite::skip),
      limit_(train.nonfinite_limit),
      in_a_row_(in_a_row),
      note_(std::move(note)) {
  check<ValueError>(limit_ >= 1, "train.nonfinite_limit is at least 1, but is ", limit_);
}

bool NonfiniteSteps::skips(const StepReport& report, const StepMetrics& metrics) {
  const double loss = report.metrics.front().second;
  if (metrics.finite && std::isfinite(loss)) {
    in_a_row_ = 0;
    return false;
  }
  const std::string what = concat("step ", report.step, " of ", report.steps, " has ", culprit(loss, metrics, skip_),
                                  " that is not finite (loss ", loss, ", learning rate ", report.values.lr, ")");
  check<NumericalError>(
      skip_ && !metrics.finite, "training: ", what,
      "; lower train.lr or lengthen train.warmup_epochs; train.on_nonfinite=skip goes on without such a step");
  ++in_a_row_;
  check<NumericalError>(in_a_row_ < limit_, "training: ", what, ", and so have ", in_a_row_,
                        " steps in a row (train.nonfinite_limit is ", limit_,
                        "): they are no exception; lower train.lr or lengthen train.warmup_epochs");
  if (skipped_++ == 0 && note_) note_(concat(what, ": it is skipped, as further ones will be"));
  return true;
}

void NonfiniteSteps::finish() const {
  if (skipped_ > 1 && note_) note_(concat(skipped_, " steps were skipped, since something in them was not finite"));
}

}  // namespace mec
