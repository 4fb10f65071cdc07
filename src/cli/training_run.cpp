#include "mec/cli/training_run.h"

#include <unistd.h>

#include "mec/cli/progress.h"
#include "mec/cli/run_directory.h"
#include "mec/ssl/methods.h"

namespace mec::cli {

namespace {

DatasetPtr open_data(const DataSettings& data) {
  return open_dataset({.path = data.path,
                       .kind = data.kind,
                       .split = parse_split(data.split),
                       .limit = data.limit,
                       .channels = static_cast<int>(data.channels)});
}

Normalization normalization_of(const DataSettings& data, const DatasetInfo& info) {
  if (data.mean.empty() && data.std.empty()) return info.normalization;
  return {.mean = {data.mean.begin(), data.mean.end()}, .std = {data.std.begin(), data.std.end()}};
}

WeightsInfo describe_encoder(const ResNet& encoder, const TransformPtr& views, const DataSettings& data) {
  const Normalization& normalization = views->normalization();
  return {.encoder = encoder.config,
          .image_size = data.eval_size > 0 ? data.eval_size : views->size(0).width,
          .mean = {normalization.mean.begin(), normalization.mean.end()},
          .std = {normalization.std.begin(), normalization.std.end()}};
}

}  // namespace

void train_run(const PretrainSettings& settings, const Device& device, const std::filesystem::path& out, std::ostream& log,
               const std::vector<Observer*>& observers) {
  const TrainSettings& train_settings = settings.train;
  const std::unique_ptr<Objective> objective = make_step_objective(settings, device);
  const DatasetPtr dataset = open_data(settings.data);
  const TransformPtr views = make_augmentation(settings.augment, normalization_of(settings.data, dataset->info()));
  Loader loader(dataset, views,
                {.batch = train_settings.batch,
                 .epochs = train_settings.epochs,
                 .shuffle = true,
                 .drop_last = true,
                 .seed = train_settings.seed,
                 .workers = static_cast<int>(settings.data.workers)},
                device);
  const TrainPlan plan(settings, loader.batches_per_epoch());  // refuses settings before anything is written
  Learner learner({.model = settings.model,
                   .train = train_settings,
                   .in_channels = dataset->info().channels,
                   .ema_teacher = objective->ema_teacher()},
                  device);

  RunDirectory directory(out, settings, describe_encoder(learner.online.encoder, views, settings.data));
  log << "pre-training " << settings.model.arch << " (width " << settings.model.width << ") on " << dataset->size()
      << " images of " << dataset->info().kind << ": " << train_settings.epochs << " epochs of " << plan.steps_per_epoch()
      << " steps" << std::endl;
  Progress progress(log, isatty(STDOUT_FILENO) != 0 ? kProgressBar : kProgressLog);
  std::vector<Observer*> all{&directory, &progress};
  all.insert(all.end(), observers.begin(), observers.end());
  train(learner, *objective, loader, settings, all);
}

}  // namespace mec::cli
