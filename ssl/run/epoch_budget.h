// How many epochs fit into a time: what --within asks for.
#pragma once

#include <cstdint>

namespace mec {

struct EpochBudget {
  std::int64_t epochs = 0;
  double minutes_per_epoch = 0;
};

// As many of the `asked` epochs as `minutes` allow, but at least `fewest`, where one takes
// `epoch_seconds`.
EpochBudget fit_epochs(double minutes, double epoch_seconds, std::int64_t asked, std::int64_t fewest);

}  // namespace mec
