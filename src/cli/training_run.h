// One pre-training run, from settings to a folder of results.
#pragma once

#include <filesystem>
#include <ostream>
#include <vector>

#include "mec/ssl/trainer.h"

namespace mec::cli {

// Trains into the folder `out`, which must not hold anything yet, and says on `log` what is done. data.path is taken as it is. Whatever
// is wrong with the settings is said before the folder is made.
void train_run(const PretrainSettings& settings, const Device& device, const std::filesystem::path& out, std::ostream& log,
               const std::vector<Observer*>& observers = {});

}  // namespace mec::cli
