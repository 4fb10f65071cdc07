#include "mec/cli/encoder_source.h"

#include "mec/cli/run_directory.h"
#include "mec/cli/settings_file.h"
#include "mec/cli/text.h"
#include "mec/nn/files/weights.h"
#include "mec/nn/initialize.h"
#include "mec/tensor/io/safetensors.h"

namespace mec::cli {

namespace {

static_assert(kMaxImageSize <= kMaxViewSize);  // what weights are used at, a view can be

void set_normalization(WeightsInfo& info, const std::string& name) {
  const Normalization preset = normalization_preset(name).for_channels(static_cast<int>(info.encoder.in_channels));
  info.mean.assign(preset.mean.begin(), preset.mean.end());
  info.std.assign(preset.std.begin(), preset.std.end());
}

WeightsInfo find_info(const std::filesystem::path& weights, const EncoderOptions& options) {
  const auto metadata = read_safetensors_metadata(weights);
  const bool explained = metadata.contains("arch") || !options.arch;  // with neither, reading says what is missing
  WeightsInfo info;
  if (explained) info = to_weights_info(metadata, weights.string());
  const auto channels = options.channels.value_or(info.encoder.in_channels);
  const bool other_images = channels != info.encoder.in_channels || options.normalization;
  info.encoder.in_channels = channels;
  if (!explained || other_images) set_normalization(info, options.normalization.value_or("imagenet"));
  if (options.arch) info.encoder.arch = *options.arch;
  if (options.stem) info.encoder.stem = stem_of(*options.stem);
  if (options.width) info.encoder.width = *options.width;
  if (options.size) info.image_size = *options.size;
  validate(info);
  return info;
}

// What the file has beside the encoder, on one line.
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

void add_encoder_options(Command command, EncoderOptions& options) {
  command.add_option("source", options.source, "Folder of a run, or a weights file (.safetensors)").required();
  command.add_option("--arch", options.arch, "resnet10, resnet18, resnet34 or resnet50; for files that do not say it")
      .group("Weights without metadata");
  command.add_option("--stem", options.stem, "imagenet or cifar").group("Weights without metadata");
  command.add_option("--width", options.width, "Channels of the first stage")
      .between(1, kMaxResNetChannels)
      .group("Weights without metadata");
  command.add_option("--channels", options.channels, "Of the images: 1 or 3")
      .one_of({"1", "3"})
      .group("Weights without metadata");
  command.add_option("--size", options.size, "Pixels on a side").between(1, kMaxImageSize).group("Weights without metadata");
  command.add_option("--normalization", options.normalization, "mnist, fashion-mnist, cifar10, cifar100 or imagenet (default)")
      .group("Weights without metadata");
  command
      .add_option("--prefix", options.prefix,
                  "What stands before the encoder's names in the file, such as teacher.encoder.; "
                  "default: found")
      .group("Weights without metadata");
}

EncoderSource::EncoderSource(const EncoderOptions& options) : weights_(options.source), prefix_(options.prefix) {
  if (std::filesystem::is_directory(weights_)) {
    settings_ = read_run_settings(weights_);
    weights_ /= kEncoderFile;
  }
  info_ = find_info(weights_, options);
}

Normalization EncoderSource::normalization() const {
  return {.mean = {info_.mean.begin(), info_.mean.end()}, .std = {info_.std.begin(), info_.std.end()}};
}

ResNet EncoderSource::load(const Device& device) const {
  ResNet encoder(info_.encoder, device);
  tell(weights_.string(), load_weights(weights_, encoder, {.prefix = prefix_}));
  return encoder;
}

ResNet EncoderSource::random(const Device& device) const {
  ResNet encoder(info_.encoder, device);
  initialize(encoder, settings_ ? settings_->train.seed : 0, "encoder.");
  return encoder;
}

DatasetPtr EncoderSource::open_data(const DataOptions& options, Split split) const {
  return cli::open_data(options, settings_ ? &*settings_ : nullptr, split, info_.encoder.in_channels);
}

Splits EncoderSource::open_splits(const DataOptions& options) const {
  return cli::open_splits(options, settings_ ? &*settings_ : nullptr, info_.encoder.in_channels);
}

TransformPtr EncoderSource::make_view(const Dataset& dataset, Normalization normalization) const {
  return make_eval_transform(EvalViewSettings::for_images(dataset.info().size, info_.image_size), std::move(normalization));
}

ImageStream EncoderSource::stream(const DatasetPtr& dataset, const Device& device, const StreamOptions& options) const {
  return stream_dataset(dataset, make_view(*dataset, normalization()), device, options);
}

ImageStream EncoderSource::stream_raw(const DatasetPtr& dataset, const Device& device, const StreamOptions& options) const {
  const auto channels = static_cast<std::size_t>(info_.encoder.in_channels);
  const Normalization none{.mean = std::vector<float>(channels, 0.0F), .std = std::vector<float>(channels, 1.0F)};
  return stream_dataset(dataset, make_view(*dataset, none), device, options);
}

}  // namespace mec::cli
