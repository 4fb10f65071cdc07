// Runs that a person watches.
#pragma once

#include <ostream>

#include "mec/ssl/run/train_run.h"

namespace mec::cli {

// train_run() and resume_run(), with what is done and how far it is on `log`, and notes on stderr.
void train_told(const PretrainSettings& settings, const Device& device, const std::filesystem::path& out, std::ostream& log,
                const RunOptions& options = {});
void resume_told(const Device& device, const std::filesystem::path& folder, std::ostream& log, const RunOptions& options = {});

}  // namespace mec::cli
