// Data sets, as the program opens them.
#pragma once

#include <optional>

#include "mec/cli/options.h"
#include "mec/data/formats/open_dataset.h"
#include "mec/ssl/settings.h"

namespace mec::cli {

// open_dataset(); the data set's notes go to stderr, each once however often it is opened.
DatasetPtr open_with_notes(const DatasetOptions& options);

// A split of the images to evaluate on: what the options do not say comes from the settings of the
// run, if there are any. UsageError when nobody says where the data set is.
DatasetPtr open_data(const DataOptions& options, const std::optional<PretrainSettings>& run, Split split,
                     std::int64_t channels);

// Both splits, for accuracies. ValueError where classes of the test split are not the training
// split's, or there are no labels.
struct Splits {
  DatasetPtr train, test;
};
Splits open_splits(const DataOptions& options, const std::optional<PretrainSettings>& run, std::int64_t channels);

}  // namespace mec::cli
