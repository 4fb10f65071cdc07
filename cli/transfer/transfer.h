// Commands that train on labels: mec finetune, and mec eval linear --protocol.
#pragma once

#include <iosfwd>
#include <optional>
#include <string>
#include <vector>

#include "mec/cli/options.h"
#include "mec/eval/linear_probe.h"
#include "mec/ssl/settings.h"
#include "mec/transfer/comparison.h"

namespace mec::cli {

// What both commands are told beside an encoder and its images.
struct TransferOptions {
  std::string protocol;  // a settings file; empty: the command's own
  std::string out;
  std::optional<double> fraction, validation;
  std::string list;
  std::optional<std::int64_t> epochs, batch;
  int seeds = 1;
  bool beside = true, resume = false, json = false;
  std::vector<std::string> assignments;
};
struct ProtocolOption {
  std::string help;
  bool alone = true;  // whether the command always trains; else where --protocol is given
};
inline constexpr const char* kWithProtocol = "With --protocol";  // heading of its options then
// --protocol, --fraction, --list, --validation, --epochs, --train-batch, --seeds, --set, --resume.
Option add_transfer_options(Command command, TransferOptions& options, const ProtocolOption& protocol);

// Those of the protocol's file, or the command's own.
PretrainSettings protocol_settings(const TransferOptions& options, const PretrainSettings& own);
// The images to learn from: those at `path`, or the run's. UsageError where neither is there.
void take_images(PretrainSettings& settings, const std::optional<PretrainSettings>& run, const std::optional<std::string>& path,
                 const std::optional<std::string>& kind);
// Applies the options to the settings, whose encoder and images are chosen, and fits them to the
// number of images: the command's own protocol also its epochs, where none are asked for.
// ValueError as of the settings.
std::string apply(const TransferOptions& options, PretrainSettings& settings);

// How the comparison is run and scored.
struct TransferHow {
  std::string name;  // of the runs' row
  DeviceOptions device;
  bool no_graph = false;
  LinearProbeOptions probe = {};
  std::int64_t batch = kEmbedBatch;
  std::string note = {};  // before the first step
};
// Trains and scores, and prints a table; in the folder results.json, confusion.csv and a picture.
void run_transfer(const TransferOptions& options, const PretrainSettings& settings, const TransferHow& how);

// The table, in 80 columns where names are short.
void print_comparison(std::ostream& out, const Comparison& comparison);

}  // namespace mec::cli
