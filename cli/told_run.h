// Runs that print their progress.
#pragma once

#include <ostream>

#include "mec/ssl/run/train_run.h"

namespace mec::cli {

// train_run() and resume_run(), with messages and progress on `log`, and notes on stderr where the
// options have no other place for them.
RunEnd train_told(const PretrainSettings& settings, const Device& device, const std::filesystem::path& out, std::ostream& log,
                  const RunOptions& options = {});
RunEnd resume_told(const Device& device, const std::filesystem::path& folder, std::ostream& log,
                   const RunOptions& options = {});

}  // namespace mec::cli
