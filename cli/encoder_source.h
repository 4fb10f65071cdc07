// Where an encoder comes from: a run's folder, or a weights file whose architecture its metadata or
// flags give.
#pragma once

#include <filesystem>
#include <string>

#include "mec/cli/data_source.h"
#include "mec/cli/options.h"
#include "mec/eval/features.h"
#include "mec/ssl/run/saved_encoder.h"

namespace mec::cli {

struct EncoderOptions {
  std::string source;
  EncoderHints hints = {};
};
// DIR|WEIGHTS, which may be left out where it is not required, --arch, --stem, --width, --channels,
// …
void add_encoder_options(Command command, EncoderOptions& options, bool required = true);

// "mean 0.485,0.456,0.406, std 0.229,0.224,0.225".
std::string describe_normalization(const WeightsInfo& info);

// A saved encoder, and the images that a command embeds with it.
class EncoderSource {
 public:
  explicit EncoderSource(const EncoderOptions& options);

  const std::filesystem::path& weights() const { return saved_.weights(); }
  const WeightsInfo& info() const { return saved_.info(); }
  const std::optional<PretrainSettings>& settings() const { return saved_.settings(); }
  Normalization normalization() const { return saved_.normalization(); }

  // A line on stderr names a prefix that was taken off, and tensors that were left out.
  ResNet load(const Device& device) const;
  // The first rank's, on all of them. ValueError where they are of another architecture, or `facts`
  // about what is embedded differ from the first one's.
  ResNet load(const Device& device, const std::vector<std::string>& facts, Communicator& ranks) const;
  // With the classifier behind it. IoError where the file has none.
  Classifier load_classifier(const Device& device) const { return saved_.load_classifier(device); }
  ResNet random(const Device& device) const { return saved_.random(device); }

  // A split of the data set, or both splits for accuracies (data_source.h), with the channels that
  // the encoder takes; and the images of a data set in the view that the encoder takes.
  DatasetPtr open_data(const DataOptions& options, Split split) const;
  Splits open_splits(const DataOptions& options) const;
  ImageStream stream(const DatasetPtr& dataset, const Device& device, const StreamOptions& options) const;
  ImageStream stream(const ImageArray& images, const Device& device, const StreamOptions& options) const;
  // Images in the view that those of the data set have: the same image is the same input in both.
  ImageStream stream_beside(const Dataset& dataset, const ImageArray& images, const Device& device,
                            const StreamOptions& options) const;
  // The same with pixels in [0, 1], not normalised.
  ImageStream stream_raw(const DatasetPtr& dataset, const Device& device, const StreamOptions& options) const;

 private:
  SavedEncoder saved_;
};

}  // namespace mec::cli
