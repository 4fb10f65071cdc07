// One pre-training run, from settings to a folder of results, at once or resumed.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "mec/ssl/training/trainer.h"

namespace mec {

// Receives a line of text.
using Teller = std::function<void(const std::string& line)>;

struct RunOptions {
  std::vector<Observer*> observers = {};
  bool capture = true;  // see TrainOptions
  // Trains fewer epochs, but no fewer than the warm-ups take, where those of the settings would
  // take longer than so many minutes here. Times some steps first. The run's saved settings have
  // the number that was chosen.
  std::optional<double> within_minutes = {};
  Teller log = {};   // what is done
  // Messages for the user, such as which files of the data set were passed over.
  Teller note = {};
};

// Trains into the folder `out`, which must not hold anything but a run that was stopped before its
// first checkpoint. data.path is taken as it is. Wrong settings throw before the folder is made.
void train_run(const PretrainSettings& settings, const Device& device, const std::filesystem::path& out,
               const RunOptions& options = {});

// Goes on from the folder's checkpoint, with its settings, and ends with the bits of a run that was
// never stopped, on the same machine and number of threads. Where training has ended already, only
// says so; begins again where the run was stopped before its first checkpoint. IoError where the
// run makes no checkpoints, or has one that is damaged or of other settings: the folder then stays
// as it was.
void resume_run(const Device& device, const std::filesystem::path& folder, const RunOptions& options = {});

}  // namespace mec
