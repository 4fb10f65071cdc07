#include "mec/cli/encoder_source.h"

#include "mec/cli/note.h"
#include "mec/data/augment/view_image.h"
#include "mec/distributed/agreement.h"
#include "mec/nn/files/checkpoint.h"
#include "mec/tensor/text.h"

namespace mec::cli {

namespace {

// Prints one line about what the file has beside the encoder.
void tell(const std::string& file, const LoadReport& report) {
  if (report.prefix.empty() && report.left_out.empty()) return;
  std::string text = file + ":";
  if (!report.prefix.empty()) {
    text += concat(" '", report.prefix, "' is taken off the names", report.left_out.empty() ? "" : ";");
  }
  if (!report.left_out.empty()) {
    text += concat(" ", report.left_out.size(), " tensors are not of the encoder and left out (", report.left_out.front(),
                   report.left_out.size() > 1 ? ", ...)" : ")");
  }
  note(text);
}

}  // namespace

void add_encoder_options(Command command, EncoderOptions& options, bool required) {
  Option source = command.add_option("source", options.source, "Folder of a run, or a weights file (.safetensors)");
  if (required) source.required();
  command.add_option("--arch", options.hints.arch, resnet_archs() + "; for files that do not say it")
      .group("Weights without metadata");
  command.add_option("--stem", options.hints.stem, "imagenet or cifar").group("Weights without metadata");
  command.add_option("--width", options.hints.width, "Channels of the first stage")
      .between(1, kMaxResNetChannels)
      .group("Weights without metadata");
  command.add_option("--channels", options.hints.channels, "Of the images: 1 or 3")
      .one_of({"1", "3"})
      .group("Weights without metadata");
  command.add_option("--size", options.hints.size, "Pixels on a side")
      .between(1, kMaxImageSize)
      .group("Weights without metadata");
  command.add_option("--normalization", options.hints.normalization, concat(normalization_presets(), " (default)"))
      .group("Weights without metadata");
  command
      .add_option("--prefix", options.hints.prefix,
                  "What stands before the encoder's names in the file, such as teacher.encoder.; "
                  "default: found")
      .group("Weights without metadata");
}

std::string describe_normalization(const WeightsInfo& info) {
  std::vector<std::string> mean, std;
  for (const double value : info.mean) mean.push_back(digits_of(value));
  for (const double value : info.std) std.push_back(digits_of(value));
  return concat("mean ", joined(mean, ","), ", std ", joined(std, ","));
}

EncoderSource::EncoderSource(const EncoderOptions& options) : saved_(options.source, options.hints) {}

ResNet EncoderSource::load(const Device& device) const {
  LoadReport report;
  ResNet encoder = saved_.load(device, &report);
  tell(weights().string(), report);
  return encoder;
}

ResNet EncoderSource::load(const Device& device, const std::vector<std::string>& facts, Communicator& ranks) const {
  ResNet encoder = load(device);
  std::vector<std::string> all = facts;
  for (const auto& [name, value] : to_metadata(info())) all.push_back(concat(name, " = ", value));
  check_same(all, "embed the same images", ranks);
  for (const auto& entry : state_of(encoder, "")) ranks.broadcast(entry.tensor);
  return encoder;
}

DatasetPtr EncoderSource::open_data(const DataOptions& options, Split split) const {
  return cli::open_data(options, settings(), split, info().encoder.in_channels);
}

Splits EncoderSource::open_splits(const DataOptions& options) const {
  return cli::open_splits(options, settings(), info().encoder.in_channels);
}

ImageStream EncoderSource::stream(const DatasetPtr& dataset, const Device& device, const StreamOptions& options) const {
  return stream_dataset(dataset, saved_.view(dataset->info().size), device, options);
}

ImageStream EncoderSource::stream(const ImageArray& images, const Device& device, const StreamOptions& options) const {
  return stream_images(images, saved_.view(images.size()), device, options);
}

ImageStream EncoderSource::stream_beside(const Dataset& dataset, const ImageArray& images, const Device& device,
                                         const StreamOptions& options) const {
  return stream_images(images, saved_.view(dataset.info().size), device, options);
}

ImageStream EncoderSource::stream_raw(const DatasetPtr& dataset, const Device& device, const StreamOptions& options) const {
  const Normalization none = no_normalization(static_cast<int>(info().encoder.in_channels));
  return stream_dataset(dataset, saved_.view(dataset->info().size, none), device, options);
}

}  // namespace mec::cli
