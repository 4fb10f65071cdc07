// An encoder from a file: its architecture, its weights, and the view of an image that it takes.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "mec/data/augment/transform.h"
#include "mec/nn/classifier.h"
#include "mec/nn/files/weights.h"
#include "mec/nn/files/weights_info.h"
#include "mec/ssl/settings.h"

namespace mec {

// For files without metadata; where a file has metadata, hints override it.
struct EncoderHints {
  std::optional<std::string> arch = {}, stem = {}, normalization = {}, prefix = {};
  std::optional<std::int64_t> width = {}, channels = {}, size = {};
};

// The transform that makes such an encoder's input from images of that size; {0, 0} where sizes
// differ.
TransformPtr eval_view_of(const WeightsInfo& info, ImageSize images);

class SavedEncoder {
 public:
  // A run's folder, or a weights file. Of a run that chose an epoch on held-out images, that
  // epoch's network; else the last. IoError when there is neither, or when neither metadata nor
  // hints give the architecture.
  explicit SavedEncoder(const std::filesystem::path& source, EncoderHints hints = {});

  const std::filesystem::path& weights() const { return weights_; }  // the file
  const WeightsInfo& info() const { return info_; }
  const std::optional<PretrainSettings>& settings() const { return settings_; }  // of a run's folder
  Normalization normalization() const;
  std::string prefix() const { return hints_.prefix.value_or(""); }  // that was given

  // IoError says what does not fit. `report` receives the prefix that was taken off names in the
  // file, and the names that were left out.
  ResNet load(const Device& device, LoadReport* report = nullptr) const;
  // With the classifier behind it. IoError where the file has none.
  Classifier load_classifier(const Device& device) const;
  ResNet random(const Device& device) const;  // as the run's encoder was before the first step

  TransformPtr view(ImageSize images) const { return eval_view_of(info_, images); }
  TransformPtr view(ImageSize images, Normalization normalization) const;

 private:
  std::filesystem::path weights_;
  EncoderHints hints_;
  std::optional<PretrainSettings> settings_;
  WeightsInfo info_;
};

}  // namespace mec
