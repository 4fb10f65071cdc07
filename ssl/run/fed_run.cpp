#include "mec/ssl/run/fed_run.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <optional>
#include <utility>

#include "mec/data/loader/batch_builder.h"
#include "mec/data/loader/loader.h"
#include "mec/nn/files/weights.h"
#include "mec/nn/layout.h"
#include "mec/ssl/methods/methods.h"
#include "mec/ssl/run/health.h"
#include "mec/ssl/run/run_directory.h"
#include "mec/ssl/run/run_keeper.h"
#include "mec/ssl/run/run_ranks.h"
#include "mec/ssl/run/run_setup.h"
#include "mec/ssl/training/checkpoint_files.h"
#include "mec/ssl/training/checkpoint_writer.h"
#include "mec/ssl/training/training_loop.h"
#include "mec/tensor/backend.h"
#include "mec/tensor/devices.h"
#include "mec/tensor/text.h"

namespace mec {

namespace {

void check_fed(const PretrainSettings& settings, const FedRunOptions& options) {
  const DataSettings& data = settings.data;
  check<ValueError>(options.channels == 1 || options.channels == 3, "trainer: images have 1 or 3 channels, but channels is ",
                    options.channels);
  check<ValueError>(data.channels == 0 || data.channels == options.channels, "trainer: data.channels is ", data.channels,
                    ", but the trainer's images have ", options.channels);
  check<ValueError>(settings.train.batch >= 1 && options.images >= settings.train.batch, "trainer: an epoch has ",
                    options.images, " images, fewer than the ", settings.train.batch,
                    " of a batch (train.batch); choose a smaller batch, or say how many images there are");
  constexpr std::int64_t kMost = std::int64_t{1} << 32;  // as for a Loader
  check<ValueError>(options.images <= kMost && settings.train.epochs <= kMost, "trainer: ", options.images, " images and ",
                    settings.train.epochs, " epochs; at most 2^32 of each are possible");
  check<ValueError>(data.limit == 0 || options.images <= data.limit, "trainer: data.limit is ", data.limit, ", but there are ",
                    options.images, " images");
  check<ValueError>(!data.mean.empty() && !data.std.empty(),
                    "trainer: data.mean and data.std must be set, of pixels in [0,1] and one for each channel: images from "
                    "memory are of no data set for which they would be known");
  check<ValueError>(!learns_from_labels(settings), "trainer: method ", settings.method,
                    " learns from labels, and images from memory have none; mec finetune trains it on files");
  check<ValueError>(data.fraction == 1 && data.list.empty() && data.validation == 0,
                    "trainer: data.fraction, data.list and data.validation choose images of a data set, but these come from "
                    "memory; leave them out");
  check<ValueError>(settings.eval.every_epochs == 0, "trainer: eval.every_epochs is ", settings.eval.every_epochs,
                    ", but images from memory have no labels to score encoders by; set it to 0");
  check<ValueError>(options.folder.empty() || options.checkpoint.empty(),
                    "trainer: a run in a folder goes on from its own checkpoints, so that ", options.checkpoint.string(),
                    " cannot be given, too");
  check<ValueError>(!options.folder.empty() || options.resume == Resume::never,
                    "trainer: to resume, a run needs its folder; without one, name the checkpoint");
}

FedRunOptions with_images(FedRunOptions options, const PretrainSettings& settings) {
  if (options.images == 0) options.images = settings.train.batch;
  return options;
}

TransformPtr make_views(const PretrainSettings& settings, int channels) {
  const Normalization normalization = normalization_of(settings.data, {});
  validate(normalization, channels);
  return make_augmentation(settings.augment, normalization);
}

Former find_checkpoint(const std::filesystem::path& from, const Teller& note) {
  Former former;
  if (from.empty()) return former;
  if (!std::filesystem::is_directory(from)) former.checkpoint = std::make_unique<Checkpoint>(from);
  else former.checkpoint = newest_checkpoint(from, note);
  check<IoError>(former.checkpoint != nullptr, printable(from.string()), " has no checkpoint to go on from");
  return former;
}

Former find_run(const PretrainSettings& settings, const FedRunOptions& fed, const RunOptions& options) {
  check_fed(settings, fed);
  check_several(settings, options);
  return fed.folder.empty() ? find_checkpoint(fed.checkpoint, fed.note) : find_former(fed.folder, options);
}

}  // namespace

struct FedRun::Impl {
  Impl(const PretrainSettings& settings_in, const Device& device_in, const FedRunOptions& fed_in)
      : settings(settings_in),
        device(device_in),
        fed(with_images(fed_in, settings)),
        options{.resume = fed.resume, .computed_on = fed.computed_on, .note = fed.note},
        former(find_run(settings, fed, options)),
        views(make_views(settings, fed.channels)),
        builder(make_batch_builder(views, fed.channels, device)),
        objective(make_step_objective(settings, device)),
        plan(settings, fed.images / settings.train.batch),
        learner({.model = settings.model,
                 .train = settings.train,
                 .in_channels = fed.channels,
                 .ema_teacher = objective->ema_teacher()},
                device),
        identity(identity_of(settings, plan.steps_per_epoch(), fed.images)),
        info(describe_network(learner, *views, settings.data, {})) {
    begin();
  }

  void begin() {
    const std::int64_t done = former.step();
    const std::string computed_on = computed_by(options, device);
    const std::string name = printable((fed.folder.empty() ? fed.checkpoint : fed.folder).string());
    if (!former.checkpoint) take_weights(settings, learner);
    const std::vector<SettingChange> changes =
        take_state(former, identity, learner, *objective, options, computed_on, name, plan.steps());
    std::vector<Observer*> observers;
    if (fed.folder.empty()) {
      health = std::make_unique<Health>(settings, fed.note);
      observers = {health.get()};
    } else {
      keeper = std::make_unique<RunKeeper>(settings, *objective, options,
                                           RunKeeperOptions{.folder = fed.folder,
                                                            .info = info,
                                                            .identity = identity,
                                                            .computed_on = computed_on,
                                                            .steps_done = done,
                                                            .lock = std::move(former.lock),
                                                            .changes = changes});
      keeper->prepare(learner);
      observers = keeper->observers();
    }
    loop.emplace(learner, *objective, settings, plan, observers,
                 TrainOptions{.steps_done = done,
                              .capture = options.capture,
                              .note = fed.note,
                              .skipped = keeper ? keeper->skipped_in_a_row() : 0});
  }

  std::int64_t epoch() const { return loop->steps_done() / plan.steps_per_epoch(); }

  const std::vector<std::int64_t>& order() {
    if (order_epoch != epoch()) {
      order_epoch = epoch();
      order_ = epoch_order(fed.images, settings.train.seed, order_epoch);
    }
    return order_;
  }

  // The numbers of the next step's images.
  std::span<const std::int64_t> next() {
    const std::int64_t begin = loop->steps_done() % plan.steps_per_epoch() * settings.train.batch;
    return std::span(order()).subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(settings.train.batch));
  }

  void check_whole() const {
    check<ValueError>(failure.empty(), "trainer: ", failure, ", so that the run is over; begin again from a checkpoint");
  }
  void check_goes_on() const {
    check_whole();
    check<ValueError>(!ended, "trainer: training was ended after step ", loop->steps_done(), "; no step can follow");
    check<ValueError>(loop->steps_done() < plan.steps(), "trainer: all ", plan.steps(),
                      " steps are done (train.epochs = ", settings.train.epochs, "); for more, choose more epochs");
  }

  StepReport step(const std::vector<Tensor>& batch, std::chrono::steady_clock::time_point began) {
    const std::int64_t before = loop->steps_done();
    failure = concat("step ", before + 1, " failed");
    try {
      StepReport report = loop->step_now(batch, began);
      failure.clear();
      return report;
    } catch (const IoError&) {
      if (loop->steps_done() > before) {  // the step is done; files of the run's end are not
        failure.clear();
        unwritten = true;
      }
      throw;
    }
  }

  // Once more where it failed, when there may be room on the disk.
  void finish() {
    if (!std::exchange(ended, true)) loop->finish();
    if (!keeper) return;
    if (std::exchange(unwritten, true)) keeper->write_end(loop->steps_done(), learner);
    BrokenImages none(fed.folder / kBrokenFile, 0, {});
    const RunEnd end = keeper->finish(none, {.steps = loop->steps_done(), .complete = loop->steps_done() >= plan.steps()});
    check<IoError>(end.failure.empty(), end.failure);
    keeper.reset();  // the folder is no longer locked
  }

  PretrainSettings settings;
  Device device;
  FedRunOptions fed;
  RunOptions options;
  Former former;
  TransformPtr views;
  std::unique_ptr<BatchBuilder> builder;
  std::unique_ptr<Objective> objective;
  TrainPlan plan;
  Learner learner;
  RunIdentity identity;
  WeightsInfo info;
  std::unique_ptr<RunKeeper> keeper;  // with a folder
  std::unique_ptr<Health> health;     // without one
  std::optional<TrainingLoop> loop;
  std::string failure;     // which step failed, and left a state that nothing can go on from
  bool ended = false;      // no step follows
  bool unwritten = false;  // files of the run's end may be missing
  bool finished = false;
  std::vector<std::int64_t> order_;
  std::int64_t order_epoch = -1;
};

FedRun::FedRun(const PretrainSettings& settings, const Device& device, const FedRunOptions& options)
    : impl_(std::make_unique<Impl>(settings, device, options)) {}

FedRun::~FedRun() = default;

const PretrainSettings& FedRun::settings() const { return impl_->settings; }
std::int64_t FedRun::steps() const { return impl_->plan.steps(); }
std::int64_t FedRun::steps_per_epoch() const { return impl_->plan.steps_per_epoch(); }
std::int64_t FedRun::steps_done() const { return impl_->loop->steps_done(); }
WeightsInfo FedRun::info() const { return impl_->info; }

std::vector<std::int64_t> FedRun::next() const {
  impl_->check_goes_on();
  const auto numbers = impl_->next();
  return {numbers.begin(), numbers.end()};
}

StepReport FedRun::step(const ImageArray& images) {
  Impl& run = *impl_;
  run.check_goes_on();
  validate(images, "trainer");
  check<ShapeError>(images.count == run.settings.train.batch && images.channels == run.fed.channels,
                    "trainer: a step takes images (", run.settings.train.batch, ",H,W,", run.fed.channels, "), but got (",
                    images.count, ",", images.height, ",", images.width, ",", images.channels, ")");
  const auto began = std::chrono::steady_clock::now();
  const auto numbers = run.next();
  run.builder->start(images.count);
  for (std::int64_t i = 0; i < images.count; ++i) {
    run.builder->add(i, images.image(i),
                     {.seed = run.settings.train.seed,
                      .sample = static_cast<std::uint64_t>(numbers[static_cast<std::size_t>(i)]),
                      .epoch = static_cast<std::uint64_t>(run.epoch())});
  }
  return run.step(run.builder->finish(), began);
}

StepReport FedRun::step_views(std::span<const ViewArray> views) {
  Impl& run = *impl_;
  run.check_goes_on();
  check<ShapeError>(static_cast<int>(views.size()) == run.views->views(), "trainer: a step takes ", run.views->views(),
                    " views (augment.views), but got ", views.size());
  const auto began = std::chrono::steady_clock::now();
  std::vector<Tensor> batch;
  for (const auto& [values, count, height, width, channels] : views) {
    const std::size_t v = batch.size();
    const ImageSize size = run.views->size(static_cast<int>(v));
    const Shape shape{run.settings.train.batch, size.height, size.width, run.fed.channels};
    check<ShapeError>(std::vector{count, height, width, channels} == std::vector{shape[0], shape[1], shape[2], shape[3]},
                      "trainer: view ", v, " is ", shape, " as augment.size says, but got (", count, ",", height, ",", width,
                      ",", channels, ")");
    check<ValueError>(values != nullptr, "trainer: the address of view ", v, " is null");
    const std::span<const float> all(values, static_cast<std::size_t>(shape.numel()));
    check<ValueError>(std::ranges::all_of(all, [](float x) { return std::isfinite(x); }), "trainer: view ", v,
                      " has a value that is not finite");
    batch.push_back(with_channels(Tensor::from(all, shape, run.device), run.device->image_channels(run.fed.channels)));
  }
  return run.step(batch, began);
}

ResNet FedRun::encoder(const Device& device) const {
  impl_->check_whole();
  ResNet copy(impl_->info.encoder, device);
  copy_state(impl_->learner.online.encoder, copy);
  return copy;
}

void FedRun::save_encoder(const std::filesystem::path& path) const {
  impl_->check_whole();
  save_weights(path, impl_->learner.online.encoder, to_metadata(impl_->info));
}

void FedRun::save_checkpoint(const std::filesystem::path& path) const {
  Impl& run = *impl_;
  check<ValueError>(run.loop->steps_done() > 0, "trainer: a checkpoint is that of a step, but none is done yet");
  run.check_whole();
  check_statistics(run.learner, run.loop->steps_done());
  mec::save_checkpoint(path, copy_run_state(run.learner, *run.objective, make_reference_device()), run.loop->steps_done(),
                       run.identity, computed_by(run.options, run.device));
}

void FedRun::finish() {
  Impl& run = *impl_;
  run.check_whole();
  check<ValueError>(!run.finished, "trainer: training was ended already");
  run.finish();
  run.finished = true;
}

}  // namespace mec
