// One pre-training run, from settings to a folder of results, at once or resumed.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "mec/ssl/run/encoder_scorer.h"
#include "mec/ssl/training/trainer.h"

namespace mec {

// Receives a line of text.
using Teller = std::function<void(const std::string& line)>;

// What becomes of a run that the folder holds already.
enum class Resume : std::uint8_t {
  never,           // it must be one that was stopped before its first checkpoint, and begins again
  same_settings,   // it goes on, where all settings that make a difference to training are the same
  other_settings,  // it goes on with the settings given; changes.jsonl in the folder keeps the changes
};

struct RunOptions {
  // The processes that train together, each calling train_run() with the same settings. The first
  // one alone writes, and tells what is done.
  CommunicatorPtr ranks = one_process();
  std::vector<Observer*> observers = {};
  bool capture = true;  // see TrainOptions
  // Trains fewer epochs, but no fewer than the warm-ups take, where those of the settings would
  // take longer than so many minutes here. Times some steps first. The run's saved settings have
  // the number that was chosen.
  std::optional<double> within_minutes = {};
  Resume resume = Resume::never;
  std::function<bool(TrainPhase next)> stop_requested = {};  // see TrainOptions
  // Needed where settings.eval asks for scores: make_encoder_scorer (eval/encoder_scorer.h).
  MakeScorer make_scorer = {};
  // Of several ranks: where this one runs, and what it noted before. Its log begins with these
  // lines (run/rank_log.h).
  std::vector<std::string> surroundings = {};
  // What the bits depend on beside the settings (tensor/arithmetic.h). Checkpoints keep it, and
  // `note` is told where a run goes on with another one. Empty: the device's name.
  std::string computed_on = {};
  Teller log = {};  // what is done
  // Messages for the user, such as which files of the data set were passed over.
  Teller note = {};
};

struct RunEnd {
  std::int64_t steps = 0;          // done, in all
  bool trained = true;             // here; otherwise the run had ended already
  bool complete = false;           // all steps and scores are; otherwise it was asked to stop
  std::int64_t goes_on_after = 0;  // the step of the checkpoint in the folder; 0: there is none
  std::string failure = {};        // why it is not that of the last step
};

// Trains into the folder `out`. data.path is taken as it is. Wrong settings throw before the folder
// is made.
//
// A run that goes on takes the newest checkpoint that is whole and has its lines in metrics.jsonl
// and timings.jsonl, says which ones it passed over, and ends with the bits of a run that was never
// stopped, on the same machine, device and kernels. Where training has ended already, only says so.
// IoError where the checkpoint is of other settings, or none can be taken: the folder then stays as
// it was.
//
// The last checkpoint is an IoError where it cannot be written; but where the run was asked to stop
// and has an older one, it ends well, and RunEnd says why.
RunEnd train_run(const PretrainSettings& settings, const Device& device, const std::filesystem::path& out,
                 const RunOptions& options = {});

// The same with the folder's own settings, which must be there: goes on, or begins again. IoError
// where the folder holds no run, or one that makes no checkpoints.
RunEnd resume_run(const Device& device, const std::filesystem::path& folder, const RunOptions& options = {});

}  // namespace mec
