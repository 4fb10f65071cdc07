#include "mec/cli/told_run.h"

#include <unistd.h>

#include "mec/cli/note.h"
#include "mec/cli/progress.h"
#include "mec/eval/encoder_scorer.h"

namespace mec::cli {

namespace {

// The options with log and notes set, and `progress` before the other observers.
RunOptions told(RunOptions options, std::ostream& log, Progress& progress) {
  options.observers.insert(options.observers.begin(), &progress);
  options.log = [&log](const std::string& line) { log << line << std::endl; };
  if (!options.note) options.note = note;
  options.make_scorer = make_encoder_scorer;
  return options;
}

// mpirun gives its processes a terminal even where its own output goes into a file.
ProgressStyle style(const RunOptions& options) {
  return options.ranks->size() == 1 && isatty(STDOUT_FILENO) != 0 ? kProgressBar : kProgressLog;
}

}  // namespace

RunEnd train_told(const PretrainSettings& settings, const Device& device, const std::filesystem::path& out, std::ostream& log,
                  const RunOptions& options) {
  Progress progress(log, style(options));
  return train_run(settings, device, out, told(options, log, progress));
}

RunEnd resume_told(const Device& device, const std::filesystem::path& folder, std::ostream& log, const RunOptions& options) {
  Progress progress(log, style(options));
  return resume_run(device, folder, told(options, log, progress));
}

}  // namespace mec::cli
