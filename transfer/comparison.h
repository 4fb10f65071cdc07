// What an encoder is worth for telling classes apart, beside what it is to be compared with.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "mec/eval/classification.h"
#include "mec/eval/linear_probe.h"
#include "mec/ssl/run/train_run.h"

namespace mec {

// Trains a run of the settings into the folder, or goes on with it: train_run() with the caller's
// options.
using TrainRun = std::function<RunEnd(const PretrainSettings& settings, const std::filesystem::path& folder)>;

struct ComparisonOptions {
  PretrainSettings settings;  // of a method that learns from labels; data.path as train_run() takes it
  // Of the first seed's run. The others' are folders in it: seed-<n>, scratch, scratch-seed-<n>.
  std::filesystem::path folder;
  std::string name = "finetuned";  // of the runs' row
  std::vector<std::uint64_t> seeds{0};
  // Also a network trained from scratch for as many steps, the converged probe, and a random
  // encoder with it.
  bool beside = true;
  LinearProbeOptions probe = {};
  std::int64_t batch = kEmbedBatch;  // of images that are scored
  Device device;
  TrainRun train;
  std::function<void(const std::string&)> log = {};   // what comes next
  std::function<void(const std::string&)> note = {};  // of images that were skipped
};

// A way to learn from the same labelled images, with a score of each seed on the same test images.
struct ComparisonRow {
  std::string name;
  std::vector<double> top1;
  std::vector<double> top5 = {};  // where a network gives logits of more than five classes
  bool converged = true;          // of a probe: for every seed
};

struct Comparison {
  std::string trained_on, scored_on;
  // The epoch whose network the first row is of: the last, or the best on the held-out images; and
  // its file, of the first seed.
  std::string chosen;
  std::filesystem::path network;
  std::vector<ComparisonRow> rows;
  // The runs' best epochs by the test images, where data.validation is 0 and each is scored: chosen
  // by what they are scored on, as published protocols do, and so too good.
  std::optional<ComparisonRow> best;
  Classification classification;  // of the first seed's run
};

struct ComparisonEnd {
  std::optional<Comparison> comparison;  // none where a run was asked to stop:
  RunEnd stopped = {};                   // this one
};
// Trains and scores all of it, on the test split, which no run may train on. MissingSplit where
// there is none; ValueError, IoError as of train_run().
ComparisonEnd compare_transfer(const ComparisonOptions& options);

}  // namespace mec
