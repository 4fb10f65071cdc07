#include "mec/ssl/run/epoch_budget.h"

#include <algorithm>

namespace mec {

EpochBudget fit_epochs(double minutes, double epoch_seconds, std::int64_t asked, std::int64_t fewest) {
  const double per_epoch = epoch_seconds / 60;
  const double possible = std::min(minutes / per_epoch, static_cast<double>(asked));
  return {.epochs = std::max(static_cast<std::int64_t>(possible), fewest), .minutes_per_epoch = per_epoch};
}

}  // namespace mec
