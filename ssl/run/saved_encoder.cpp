#include "mec/ssl/run/saved_encoder.h"

#include <utility>

#include "mec/data/formats/open_dataset.h"
#include "mec/nn/initialize.h"
#include "mec/ssl/methods/methods.h"
#include "mec/ssl/run/run_directory.h"
#include "mec/ssl/run/settings_file.h"
#include "mec/tensor/io/safetensors.h"
#include "mec/tensor/text.h"

namespace mec {

namespace {

static_assert(kMaxImageSize <= kMaxViewSize);  // a view can have any image size of a weights file

void set_normalization(WeightsInfo& info, const std::string& name) {
  const Normalization preset = normalization_preset(name).for_channels(static_cast<int>(info.encoder.in_channels));
  info.mean.assign(preset.mean.begin(), preset.mean.end());
  info.std.assign(preset.std.begin(), preset.std.end());
}

WeightsInfo find_info(const std::filesystem::path& weights, const EncoderHints& hints) {
  const auto metadata = read_safetensors_metadata(weights);
  // Without "arch" in either, to_weights_info() throws and says what is missing.
  const bool explained = metadata.contains("arch") || !hints.arch;
  WeightsInfo info;
  if (explained) info = to_weights_info(metadata, weights.string());
  const auto channels = hints.channels.value_or(info.encoder.in_channels);
  const bool other_images = channels != info.encoder.in_channels || hints.normalization;
  info.encoder.in_channels = channels;
  if (!explained || other_images) set_normalization(info, hints.normalization.value_or("imagenet"));
  if (hints.arch) info.encoder.arch = *hints.arch;
  if (hints.stem) info.encoder.stem = stem_of(*hints.stem);
  if (hints.width) info.encoder.width = *hints.width;
  if (hints.size) info.image_size = *hints.size;
  validate(info);
  return info;
}

Normalization normalization_of(const WeightsInfo& info) {
  return {.mean = {info.mean.begin(), info.mean.end()}, .std = {info.std.begin(), info.std.end()}};
}

}  // namespace

TransformPtr eval_view_of(const WeightsInfo& info, ImageSize images) {
  return make_eval_transform(EvalViewSettings::for_images(images, info.image_size), normalization_of(info));
}

SavedEncoder::SavedEncoder(const std::filesystem::path& source, EncoderHints hints)
    : weights_(source), hints_(std::move(hints)) {
  if (std::filesystem::is_directory(weights_)) {
    settings_ = read_run_settings(weights_);
    const bool chosen = learns_from_labels(*settings_) && settings_->data.validation > 0 &&
                        std::filesystem::exists(weights_ / kBestEncoderFile);
    weights_ /= chosen ? kBestEncoderFile : kEncoderFile;
    check<IoError>(std::filesystem::exists(weights_), printable(source.string()), " has no ", kEncoderFile,
                   " yet: no epoch of this run has ended; go on with mec pretrain --resume ", printable(source.string()));
  }
  info_ = find_info(weights_, hints_);
}

Normalization SavedEncoder::normalization() const { return normalization_of(info_); }

ResNet SavedEncoder::load(const Device& device, LoadReport* report) const {
  ResNet encoder(info_.encoder, device);
  LoadReport said = load_weights(weights_, encoder, {.prefix = hints_.prefix});
  if (report) *report = std::move(said);
  return encoder;
}

Classifier SavedEncoder::load_classifier(const Device& device) const {
  check<IoError>(!info_.classes.empty(), printable(weights_.string()),
                 " has no classifier: it was trained without labels; mec finetune trains one");
  Classifier classifier(info_.encoder, static_cast<std::int64_t>(info_.classes.size()), device);
  load_weights(weights_, classifier, {.prefix = hints_.prefix});
  return classifier;
}

ResNet SavedEncoder::random(const Device& device) const {
  ResNet encoder(info_.encoder, device);
  initialize(encoder, settings_ ? settings_->train.seed : 0, "encoder.");
  return encoder;
}

TransformPtr SavedEncoder::view(ImageSize images, Normalization normalization) const {
  return make_eval_transform(EvalViewSettings::for_images(images, info_.image_size), std::move(normalization));
}

}  // namespace mec
