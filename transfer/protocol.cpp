#include "mec/transfer/protocol.h"

#include <algorithm>
#include <bit>

#include "mec/ssl/methods/methods.h"
#include "mec/tensor/error.h"

namespace mec {

namespace {

// The rate of so many images, from that of 256.
double rate_for(double of_256, std::int64_t batch) { return of_256 * static_cast<double>(batch) / 256; }

PretrainSettings supervised(std::int64_t epochs, double rate_of_256) {
  PretrainSettings settings;
  choose_method(settings, kSupervised);
  settings.train.epochs = epochs;
  settings.train.lr = rate_for(rate_of_256, settings.train.batch);
  settings.train.weight_decay = 0;
  settings.train.lr_by_epoch = true;
  settings.eval.every_epochs = 1;
  settings.eval.limit = 0;
  return settings;
}

}  // namespace

PretrainSettings finetuning_protocol(std::int64_t image_size) {
  constexpr std::int64_t kSmall = 64;
  PretrainSettings settings = supervised(20, 0.5);
  settings.train.encoder_lr_factor = 0.004;  // 0.002 of 0.5
  if (image_size > kSmall) return settings;
  settings.train.encoder_lr_factor = 0.1;
  settings.method_settings["head_norm"] = 1;
  settings.augment.views[0].scale_min = 0.8F;
  return settings;
}

PretrainSettings linear_protocol() {
  PretrainSettings settings = supervised(100, 0.03);
  settings.method_settings["head_norm"] = 1;
  settings.train.optimizer = "lars";
  settings.train.lars_eta = 0.001;
  settings.train.frozen_stages = 5;
  return settings;
}

void begin_from(PretrainSettings& settings, const SavedEncoder& encoder) {
  const WeightsInfo& info = encoder.info();
  settings.model.weights = encoder.weights().string();
  settings.model.weights_prefix = encoder.prefix();
  settings.model.arch = info.encoder.arch;
  settings.model.width = info.encoder.width;
  settings.model.stem = name_of(info.encoder.stem);
  settings.data.channels = info.encoder.in_channels;
  settings.data.mean = info.mean;
  settings.data.std = info.std;
  settings.data.eval_size = info.image_size;
  for (ViewSettings& view : settings.augment.views) view.size = static_cast<int>(info.image_size);
}

std::int64_t image_size_of(const PretrainSettings& run) {
  return run.data.eval_size > 0 ? run.data.eval_size : run.augment.views.front().size;
}

void begin_like(PretrainSettings& settings, const PretrainSettings& run) {
  settings.model.arch = run.model.arch;
  settings.model.width = run.model.width;
  settings.model.stem = run.model.stem;
  settings.model.zero_init_residual = run.model.zero_init_residual;
  settings.data.channels = run.data.channels;
  settings.data.mean = run.data.mean;
  settings.data.std = run.data.std;
  settings.data.eval_size = image_size_of(run);
  for (ViewSettings& view : settings.augment.views) view.size = static_cast<int>(settings.data.eval_size);
}

PretrainSettings from_scratch(PretrainSettings settings) {
  TrainSettings& train = settings.train;
  settings.model.weights.clear();
  settings.model.weights_prefix.clear();
  settings.method_settings["head_norm"] = 0;
  train.optimizer = "sgd";
  train.momentum = 0.9;
  train.lr = rate_for(0.1, train.batch);
  train.weight_decay = 5e-4;
  train.decay_norm_and_bias = false;
  train.encoder_lr_factor = 1;
  train.frozen_stages = 0;
  train.frozen_batch_norm = false;
  return settings;
}

void set_batch(PretrainSettings& settings, std::int64_t batch) {
  settings.train.lr *= static_cast<double>(batch) / static_cast<double>(settings.train.batch);
  settings.train.batch = batch;
}

std::string fit_batch(PretrainSettings& settings, std::int64_t images) {
  const std::int64_t batch = settings.train.batch;
  if (images >= batch || images < 2) return "";
  set_batch(settings, static_cast<std::int64_t>(std::bit_floor(static_cast<std::uint64_t>(images))));
  return concat("a batch has ", settings.train.batch, " images instead of ", batch, ", since there are ", images,
                ", and train.lr is ", settings.train.lr, ", in proportion");
}

std::string fit_to_images(PretrainSettings& settings, std::int64_t images) {
  constexpr std::int64_t kFewestSteps = 1000, kScores = 20;
  TrainSettings& train = settings.train;
  const std::int64_t batch = train.batch, epochs = train.epochs;
  if (images < 2 || images / batch * epochs >= kFewestSteps) return "";
  const auto eighth = static_cast<std::int64_t>(std::bit_floor(static_cast<std::uint64_t>(images) / 8));
  set_batch(settings, std::clamp<std::int64_t>(eighth, 2, batch));
  const std::int64_t steps = images / train.batch;  // of an epoch
  train.epochs = std::max(epochs, (kFewestSteps + steps - 1) / steps);
  if (settings.eval.every_epochs > 0) settings.eval.every_epochs = std::max(settings.eval.every_epochs, train.epochs / kScores);
  return concat(images, " images are few: ", train.epochs, " epochs instead of ", epochs, ", for ", train.epochs * steps,
                " steps of ", train.batch, " images",
                train.batch == batch ? "" : concat(" instead of ", batch, ", at train.lr ", train.lr, " in proportion"));
}

}  // namespace mec
