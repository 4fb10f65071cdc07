// A run that is stopped and goes on ends with the bits of one that was never stopped.
#include "mec/ssl/training/checkpoint.h"

#include <doctest/doctest.h>

#include "mec/ssl/methods/mec.h"
#include "mec/ssl/training/checkpoint_files.h"
#include "mec/ssl/training/checkpoint_writer.h"
#include "mec/ssl/training/trainer.h"
#include "mec/tensor/devices.h"
#include "mec/tensor/ops.h"
#include "ssl/tiny_run.h"
#include "tensor/io_files.h"

using namespace mec;
using namespace mec::test;

namespace {

constexpr std::int64_t kStepsPerEpoch = 3;  // 26 images in batches of 8

struct Stopped {};

// Keeps each step's metrics; stops after a step as a kill would: with nothing said to anyone. Waits
// for each checkpoint to be written, so that it is known which there are.
struct Recorder : Observer {
  Recorder(CheckpointWriter& w, std::int64_t last) : writer(w), last_step(last) {}
  void on_step(const StepReport& report) override {
    writer.finish();
    metrics.push_back(report.metrics);
    if (report.step == last_step) throw Stopped();
  }
  CheckpointWriter& writer;
  std::int64_t last_step;
  std::vector<Metrics> metrics;
};

struct Fixture {
  TempFolder folder;
  const std::filesystem::path& out = folder.path();
  std::filesystem::path last = out / "checkpoint-6.safetensors";  // of two epochs

  static RunIdentity identity(const PretrainSettings& settings) {
    return {.steps_per_epoch = kStepsPerEpoch, .settings = {{"method", settings.method}, {"model.arch", settings.model.arch}}};
  }

  // What a run ends with; its metrics from the step on that it began with. Nothing is shared with
  // another run but the file.
  struct Result {
    std::vector<double> end;
    std::vector<Metrics> metrics;
  };
  Result run(const PretrainSettings& settings, int workers, const Checkpoint* from = nullptr, std::int64_t stop = -1) const {
    const Device device = make_cpu_device();
    const auto objective = make_step_objective(settings, device);
    Learner learner(learner_options(settings, Dtype::f32, objective->ema_teacher()), device);
    if (from) from->restore(learner, *objective);
    const std::int64_t done = from ? from->step() : 0;
    LoaderOptions options = training_options();
    options.batch = settings.train.batch;
    options.epochs = settings.train.epochs;
    options.seed = settings.train.seed;
    options.workers = workers;
    options.first_epoch = done / kStepsPerEpoch;
    options.first_batch = done % kStepsPerEpoch;
    const auto data = std::make_shared<GeneratedImages>(26, 12);
    Loader loader(data, make_augmentation(settings.augment, data->info().normalization), options, device);
    CheckpointWriter writer(settings.train, identity(settings), *objective, {.folder = out, .steps_done = done});
    Recorder recorder(writer, stop);
    try {
      const std::int64_t steps = train(learner, *objective, loader, settings, {&writer, &recorder}, {.steps_done = done});
      CHECK(steps == 3 * settings.train.epochs);
      writer.finish();
      CHECK(stop < 0);
    } catch (const Stopped&) {
    }
    return {snapshot_of(learner, *objective), recorder.metrics};
  }

  // Stopped after each of these steps, and gone on from the checkpoint before it: of an epoch's end
  // and of any other step.
  void check_resumes(PretrainSettings settings, const std::vector<std::int64_t>& stops) {
    settings.train.epochs = 3;
    last = out / "checkpoint-9.safetensors";
    const Result whole = run(settings, 1);
    REQUIRE(whole.metrics.size() == 9);
    const std::string last_checkpoint = read_bytes(last);
    for (const std::int64_t every : {0, 2}) {
      settings.train.checkpoint_steps = every;
      for (const std::int64_t stop : stops) {
        CAPTURE(every);
        CAPTURE(stop);
        for (const std::int64_t step : checkpoints_in(out)) std::filesystem::remove(out / checkpoint_name(step));
        run(settings, 0, nullptr, stop);
        // Stopped before its own step's end.
        const std::int64_t of_epoch = (stop - 1) / kStepsPerEpoch * kStepsPerEpoch;
        const std::int64_t expected = every == 0 ? of_epoch : std::max(of_epoch, (stop - 1) / every * every);
        const auto checkpoint = newest_checkpoint(out, {});
        REQUIRE(checkpoint != nullptr);
        CHECK(checkpoint->step() == expected);
        const Result rest = run(settings, 3, checkpoint.get());
        CHECK(rest.end == whole.end);
        const auto from = whole.metrics.begin() + checkpoint->step();
        CHECK(rest.metrics == std::vector<Metrics>(from, whole.metrics.end()));
        CHECK(read_bytes(last) == last_checkpoint);
      }
    }
  }
};

}  // namespace

TEST_CASE_FIXTURE(Fixture, "each method goes on as if it had not been stopped") {
  for (const Method& method : methods()) {
    CAPTURE(method.name);
    check_resumes(tiny_settings_of(method.name), {4, 6, 8});
  }
}

TEST_CASE_FIXTURE(Fixture,
                  "a run goes on in bf16, with the mixture's KL, with components, with LARS, with AdamW, with more views") {
  PretrainSettings settings = tiny_settings();
  settings.train.precision = "bf16";
  check_resumes(settings, {5, 7});
  settings = tiny_settings_of("moco-v2");
  settings.mixture_kl.weight = 0.1;
  settings.mixture_kl.components = 4;
  check_resumes(settings, {5, 7});
  settings = tiny_settings();
  settings.method_settings["components"] = 2;
  check_resumes(settings, {5});
  settings = tiny_settings();
  settings.train.optimizer = "lars";
  settings.train.constant_predictor_rate = true;
  settings.train.decay_norm_and_bias = false;
  check_resumes(settings, {5});
  settings = tiny_settings();
  settings.train.optimizer = "adamw";
  settings.train.lr = 0.01;
  check_resumes(settings, {5});
  settings = tiny_settings_of("swav");
  settings.augment.views.resize(3, settings.augment.views.back());
  check_resumes(settings, {7});
}

TEST_CASE_FIXTURE(Fixture, "a checkpoint holds networks, momentum and queues by name, as PyTorch has them") {
  const PretrainSettings settings = tiny_settings_of("moco-v2");
  run(settings, 0);
  const SafetensorsFile file = load_state(last);
  for (const char* name : {"online.encoder.conv1.weight", "online.encoder.bn1.running_var", "teacher.encoder.conv1.weight",
                           "teacher.encoder.bn1.running_var", "momentum.encoder.conv1.weight", "objective.queue"}) {
    CHECK_MESSAGE(file.find(name) != nullptr, name);
  }
  CHECK(file.find("momentum.encoder.conv1.weight")->shape() == Shape{4, 1, 3, 3});
  for (const NamedTensor& entry : file.tensors) CHECK_MESSAGE(entry.tensor.dtype() == Dtype::f32, entry.name);
  CHECK(file.metadata.at("step") == "6");
  CHECK(file.metadata.at("method") == "moco-v2");
}

TEST_CASE_FIXTURE(Fixture, "no checkpoint is written after a step that is not finite") {
  PretrainSettings settings = tiny_settings();
  settings.train.lr = 1e30;
  settings.train.warmup = {.epochs = 0};
  CHECK_THROWS_AS(run(settings, 0), NumericalError);
  CHECK(checkpoints_in(out).empty());
}

TEST_CASE_FIXTURE(Fixture, "a checkpoint of other settings is refused with both values, and changes nothing") {
  PretrainSettings settings = tiny_settings();
  run(settings, 0);
  const Checkpoint checkpoint(last);
  const Device device = make_cpu_device();
  const MecObjective objective(mec_settings(settings));
  Learner learner(learner_options(settings), device);
  const auto before = snapshot(learner);
  const auto refused = [&](const RunIdentity& other, const std::string& why) {
    try {
      checkpoint.check_same(other);
      FAIL("accepted: " << why);
    } catch (const IoError& error) {
      const std::string message = error.what();
      CAPTURE(message);
      CHECK(message.starts_with(last.string()));
      CHECK(message.find(why) != std::string::npos);
    }
  };
  RunIdentity other = identity(settings);
  other.settings = {{"method", "byol"}, {"model.arch", "resnet18"}};
  refused(other,
          "method is mec in the checkpoint, but byol here; model.arch is resnet10 in the checkpoint, but resnet18 here;");
  other = identity(settings);
  other.steps_per_epoch = 4;
  refused(other, "steps_per_epoch is 3 in the checkpoint, but 4 here");
  other = identity(settings);
  other.settings.emplace_back("train.new", "1");
  refused(other, "train.new is not set in the checkpoint, but 1 here");

  // The same settings by name, and yet other tensors: the objective's queue, a network without a
  // teacher.
  const auto moco = make_objective(tiny_settings_of("moco-v2"), device);
  CHECK_THROWS_WITH_AS(checkpoint.restore(learner, *moco),
                       (last.string() + ": the checkpoint does not fit; objective.queue is missing").c_str(), IoError);
  Learner alone(learner_options(settings, Dtype::f32, false), device);
  CHECK_THROWS_AS(checkpoint.restore(alone, objective), IoError);
  CHECK(snapshot(learner) == before);
}

TEST_CASE_FIXTURE(Fixture, "a loader that does not begin where the run goes on is refused") {
  const PretrainSettings settings = tiny_settings();
  const Device device = make_cpu_device();
  MecObjective objective(mec_settings(settings));
  Learner learner(learner_options(settings), device);
  const auto data = std::make_shared<GeneratedImages>(26, 12);
  Loader loader(data, make_augmentation(settings.augment, data->info().normalization),
                {.batch = 8, .epochs = 2, .shuffle = true, .drop_last = true}, device);
  CHECK_THROWS_AS(train(learner, objective, loader, settings, {}, {.steps_done = kStepsPerEpoch}), ValueError);
}
