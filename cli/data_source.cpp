#include "mec/cli/data_source.h"

#include "mec/cli/note.h"
#include "mec/cli/program.h"
#include "mec/eval/classes.h"

namespace mec::cli {

DatasetPtr open_with_notes(const DatasetOptions& options) {
  DatasetPtr dataset = open_dataset(options);
  for (const std::string& text : dataset->info().notes) note_once(text);
  return dataset;
}

DatasetPtr open_data(const DataOptions& options, const std::optional<PretrainSettings>& run, Split split, std::int64_t channels) {
  if (!options.path && !run) throw UsageError("--data is needed: a weights file does not say what to evaluate on");
  const std::string same_kind = run && !options.path ? run->data.kind : "auto";
  return open_with_notes({.path = options.path ? *options.path : run->data.path,
                          .kind = options.kind.value_or(same_kind),
                          .split = split,
                          .limit = options.limit,
                          .channels = static_cast<int>(channels),
                          .exif_orientation = options.exif_orientation || (run && run->data.exif_orientation)});
}

Splits open_splits(const DataOptions& options, const std::optional<PretrainSettings>& run, std::int64_t channels) {
  Splits splits{.train = open_data(options, run, Split::train, channels),
                .test = open_data(options, run, Split::test, channels)};
  check_classes(*splits.train, *splits.test);
  return splits;
}

}  // namespace mec::cli
