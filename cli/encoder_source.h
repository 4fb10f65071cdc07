// Where an encoder comes from: a run's folder, or a weights file that explains itself or is explained by flags.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "mec/cli/data_source.h"
#include "mec/cli/options.h"
#include "mec/data/augment/transform.h"
#include "mec/eval/features.h"
#include "mec/nn/files/weights_info.h"
#include "mec/ssl/settings.h"

namespace mec::cli {

// For files without metadata; given beside metadata, they go before it.
struct EncoderOptions {
  std::string source;
  std::optional<std::string> arch = {}, stem = {}, normalization = {}, prefix = {};
  std::optional<std::int64_t> width = {}, channels = {}, size = {};
};
void add_encoder_options(Command command, EncoderOptions& options);  // DIR|WEIGHTS, --arch, --stem, --width, --channels, …

class EncoderSource {
 public:
  // IoError when there is neither a run nor a weights file, or when nobody says what network it is.
  explicit EncoderSource(const EncoderOptions& options);

  const std::filesystem::path& weights() const { return weights_; }  // the file
  const WeightsInfo& info() const { return info_; }
  const std::optional<PretrainSettings>& settings() const { return settings_; }  // of a run's folder
  Normalization normalization() const;

  // IoError says what does not fit. A line on stderr says what of the file was not taken as it is.
  ResNet load(const Device& device) const;
  ResNet random(const Device& device) const;  // as the run's encoder was before the first step

  // The data set, or both splits for accuracies (data_source.h), with the channels that the encoder
  // takes, and its images in the view it takes them in.
  DatasetPtr open_data(const DataOptions& options, Split split) const;
  Splits open_splits(const DataOptions& options) const;
  ImageStream stream(const DatasetPtr& dataset, const Device& device, const StreamOptions& options) const;
  // The same with pixels in [0, 1], not normalised.
  ImageStream stream_raw(const DatasetPtr& dataset, const Device& device, const StreamOptions& options) const;

 private:
  TransformPtr make_view(const Dataset& dataset, Normalization normalization) const;

  std::filesystem::path weights_;
  std::optional<std::string> prefix_;  // of its names, where given
  std::optional<PretrainSettings> settings_;
  WeightsInfo info_;
};

}  // namespace mec::cli
