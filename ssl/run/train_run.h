// One pre-training run, from settings to a folder of results, at one go or in several.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "mec/ssl/training/trainer.h"

namespace mec {

// Told a line of text.
using Teller = std::function<void(const std::string& line)>;

struct RunOptions {
  std::vector<Observer*> observers = {};
  bool capture = true;  // see TrainOptions
  // Fewer epochs, as few as the warm-ups take, where those of the settings would take longer than
  // so many minutes here. Steps are timed first; the run's own settings then have the number that
  // was chosen.
  std::optional<double> within_minutes = {};
  Teller log = {};   // what is done
  // What a person should know, such as files of the data set that were passed over.
  Teller note = {};
};

// Trains into the folder `out`, which must not hold anything but a run that was stopped before its
// first checkpoint. data.path is taken as it is. Whatever is wrong with the settings is said before
// the folder is made.
void train_run(const PretrainSettings& settings, const Device& device, const std::filesystem::path& out,
               const RunOptions& options = {});

// Goes on from the folder's checkpoint, with its settings, and ends with the bits of a run that was
// never stopped, on the same machine and number of threads; says so where that run had ended, and
// begins again where it was stopped before its first checkpoint. IoError where it never makes one,
// or where there is one that is damaged or of other settings: the folder then stays as it was.
void resume_run(const Device& device, const std::filesystem::path& folder, const RunOptions& options = {});

}  // namespace mec
