// Data sets, as the program opens them.
#pragma once

#include <optional>

#include "mec/cli/options.h"
#include "mec/data/formats/open_dataset.h"
#include "mec/ssl/settings.h"

namespace mec::cli {

// Calls open_dataset() and prints the data set's notes on stderr, each only once, however often the
// data set is opened.
DatasetPtr open_with_notes(const DatasetOptions& options);

// A split of the images to evaluate on. Where the options leave something out, the settings of the
// run apply, if there are any. UsageError when neither names the data set.
DatasetPtr open_data(const DataOptions& options, const std::optional<PretrainSettings>& run, Split split,
                     std::int64_t channels);

// Both splits, for accuracies. ValueError where a class of the test split is missing in the
// training split, or there are no labels.
struct Splits {
  DatasetPtr train, test;
};
Splits open_splits(const DataOptions& options, const std::optional<PretrainSettings>& run, std::int64_t channels);

}  // namespace mec::cli
