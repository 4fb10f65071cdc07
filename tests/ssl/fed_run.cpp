// Runs that are fed from memory, beside runs that read the same images from files: the same bits.
#include "mec/ssl/run/fed_run.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

#include "mec/data/formats/open_dataset.h"
#include "mec/nn/files/weights.h"
#include "mec/ssl/run/run_directory.h"
#include "mec/ssl/training/checkpoint_files.h"
#include "ssl/tiny_run.h"
#include "support/program.h"

using namespace mec;
using namespace mec::test;

namespace {

constexpr std::int64_t kImages = 28, kSteps = 6;  // two epochs of three batches of eight, and some left over

// Eight by eight pixels, as files and in memory.
struct Fixture {
  Fixture() {
    write_images(folder / "data", kImages, 4);
    dataset = open_dataset({.path = folder / "data", .kind = "mnist"});
  }

  PretrainSettings settings(const std::string& method = "mec") const {
    PretrainSettings settings = tiny_settings_of(method);
    settings.data.path = (folder / "data").string();
    settings.data.kind = "mnist";
    settings.data.mean = {0.25};
    settings.data.std = {0.5};
    settings.train.health_steps = 2;
    return settings;
  }
  FedRunOptions options(const std::string& out = "") const {
    FedRunOptions options{.images = kImages, .channels = 1};
    if (!out.empty()) options.folder = folder / out;
    return options;
  }

  // The images of these numbers, one after another.
  std::vector<std::uint8_t> pixels(const std::vector<std::int64_t>& numbers) const {
    std::vector<std::uint8_t> all;
    for (const std::int64_t number : numbers) {
      const Image image = dataset->read(number);
      all.insert(all.end(), image.pixels.begin(), image.pixels.end());
    }
    return all;
  }
  StepReport step(FedRun& run) const {
    const auto numbers = run.next();
    const auto bytes = pixels(numbers);
    return run.step({.pixels = bytes.data(), .count = std::ssize(numbers), .height = 8, .width = 8, .channels = 1});
  }
  void feed(FedRun& run, std::int64_t until) const {
    while (run.steps_done() < until) step(run);
  }
  std::string bytes(const std::string& file) const { return read_bytes(folder / file); }
  void check_same(const std::string& a, const std::string& b) const {
    CAPTURE(a);
    CAPTURE(b);
    for (const std::string& file : {std::string(kEncoderFile), checkpoint_name(kSteps), std::string(kMetricsFile)})
      CHECK_MESSAGE(bytes(a + "/" + file) == bytes(b + "/" + file), file);
  }

  TempFolder folder;
  DatasetPtr dataset;
  Device device = make_cpu_device({.threads = 1});
};

}  // namespace

TEST_CASE_FIXTURE(Fixture,
                  "a run that is fed the images of a data set has the bits of the run that reads them, for every method") {
  for (const Method& method : methods()) {
    CAPTURE(method.name);
    PretrainSettings how = settings(method.name);
    if (method.name == "vicreg") how.train.accumulate = 2;
    if (method.name == "byol") how.augment.views.push_back(how.augment.views.front());
    train_run(how, device, folder / ("read-" + method.name));

    FedRun in_folder(how, device, options("fed-" + method.name)), in_memory(how, device, options());
    CHECK(in_folder.steps() == kSteps);
    feed(in_folder, kSteps);
    in_folder.finish();
    check_same("fed-" + method.name, "read-" + method.name);
    CHECK(bytes("fed-" + method.name + "/" + kSettingsFile) == bytes("read-" + method.name + "/" + kSettingsFile));

    feed(in_memory, kSteps);
    in_memory.save_encoder(folder / "encoder");
    in_memory.save_checkpoint(folder / "checkpoint");
    CHECK(bytes("encoder") == bytes("read-" + method.name + "/" + kEncoderFile));
    CHECK(bytes("checkpoint") == bytes("read-" + method.name + "/" + checkpoint_name(kSteps)));
  }
}

TEST_CASE_FIXTURE(Fixture, "a run that is fed and one that reads go on from each other's checkpoints, to the same bits") {
  const PretrainSettings how = settings("moco-v2");
  train_run(how, device, folder / "whole");

  FedRun first(how, device, options("fed"));
  feed(first, 4);
  first.finish();
  CHECK(newest_checkpoint_in(folder / "fed").step == 4);
  train_run(how, device, folder / "fed", {.resume = Resume::same_settings});
  check_same("fed", "whole");

  int asked = 0;
  train_run(how, device, folder / "read",
            {.stop_requested = [&](TrainPhase next) { return next == TrainPhase::step && ++asked > 4; }});
  REQUIRE(newest_checkpoint_in(folder / "read").step == 4);
  FedRunOptions of_file = options();
  of_file.checkpoint = folder / "read" / checkpoint_name(4);
  FedRun from_file(how, device, of_file);
  CHECK(from_file.steps_done() == 4);
  FedRunOptions goes_on = options("read");
  goes_on.resume = Resume::same_settings;
  {
    FedRun second(how, device, goes_on);
    CHECK(second.steps_done() == 4);
    feed(second, kSteps);
    second.finish();
  }
  check_same("read", "whole");
  feed(from_file, kSteps);
  from_file.save_checkpoint(folder / "checkpoint");
  CHECK(bytes("checkpoint") == bytes("whole/" + checkpoint_name(kSteps)));

  FedRun ended(how, device, goes_on);
  CHECK(ended.steps_done() == kSteps);
  CHECK_THROWS_WITH_AS(ended.next(), doctest::Contains("all 6 steps are done"), ValueError);
}

TEST_CASE_FIXTURE(Fixture, "views that the caller made are trained on as they are") {
  const PretrainSettings how = settings();
  FedRun images(how, device, options()), views(how, device, options());
  const TransformPtr make = make_augmentation(how.augment, {.mean = {0.25F}, .std = {0.5F}});
  for (int step = 0; step < kSteps; ++step) {
    const auto numbers = views.next();
    std::vector<std::vector<float>> made(2, std::vector<float>(8 * 10 * 10));
    for (std::uint32_t v = 0; v < 2; ++v) {
      for (std::size_t i = 0; i < numbers.size(); ++i) {
        make->apply(dataset->read(numbers[i]),
                    {.seed = how.train.seed,
                     .sample = static_cast<std::uint64_t>(numbers[i]),
                     .epoch = static_cast<std::uint64_t>(step / 3),
                     .view = v},
                    1, std::span(made[v]).subspan(i * 100, 100));
      }
    }
    const std::vector<ViewArray> arrays{{made[0].data(), 8, 10, 10, 1}, {made[1].data(), 8, 10, 10, 1}};
    CHECK(views.step_views(arrays).metrics == this->step(images).metrics);
  }
  views.save_checkpoint(folder / "views");
  images.save_checkpoint(folder / "images");
  CHECK(bytes("views") == bytes("images"));
}

TEST_CASE_FIXTURE(Fixture, "where images come without end, an epoch may be one step") {
  FedRunOptions endless = options();
  endless.images = 0;
  FedRun run(settings(), device, endless);
  CHECK(run.steps_per_epoch() == 1);
  CHECK(run.steps() == 2);
  std::vector<std::int64_t> numbers = run.next();
  std::ranges::sort(numbers);
  CHECK(numbers == std::vector<std::int64_t>{0, 1, 2, 3, 4, 5, 6, 7});
}

TEST_CASE_FIXTURE(Fixture, "the encoder of a run between two steps is a copy") {
  FedRun run(settings(), device, options());
  feed(run, 2);
  run.save_encoder(folder / "before");
  ResNet copy = run.encoder(make_reference_device());
  feed(run, 4);
  save_weights(folder / "copy", copy, to_metadata(run.info()));
  CHECK(bytes("copy") == bytes("before"));
}

TEST_CASE_FIXTURE(Fixture, "a fed run refuses what it cannot take, and goes on after it") {
  const std::vector<std::uint8_t> blank(8 * 64);
  FedRun run(settings(), device, options());
  const auto step = [&](const ImageArray& images) { run.step(images); };
  CHECK_THROWS_WITH_AS(run.save_checkpoint(folder / "none"), doctest::Contains("none is done yet"), ValueError);
  CHECK_THROWS_WITH_AS(step({blank.data(), 7, 8, 8, 1}), doctest::Contains("takes images (8,H,W,1), but got (7,8,8,1)"),
                       ShapeError);
  CHECK_THROWS_WITH_AS(step({blank.data(), 8, 8, 8, 3}), doctest::Contains("but got (8,8,8,3)"), ShapeError);
  CHECK_THROWS_WITH_AS(step({nullptr, 8, 8, 8, 1}), doctest::Contains("null"), ValueError);
  CHECK_THROWS_WITH_AS(run.step_views({}), doctest::Contains("takes 2 views (augment.views), but got 0"), ShapeError);
  std::vector<float> view(8 * 100, 0.0F);
  std::vector<ViewArray> views(2, {view.data(), 8, 10, 10, 1});
  view[3] = std::numeric_limits<float>::infinity();
  CHECK_THROWS_WITH_AS(run.step_views(views), doctest::Contains("view 0 has a value that is not finite"), ValueError);
  view[3] = 0;
  views[1].height = 9;
  CHECK_THROWS_WITH_AS(run.step_views(views),
                       doctest::Contains("view 1 is (8,10,10,1) as augment.size says, but got (8,9,10,1)"), ShapeError);
  views[1] = {nullptr, 8, 10, 10, 1};
  CHECK_THROWS_WITH_AS(run.step_views(views), doctest::Contains("the address of view 1 is null"), ValueError);
  CHECK(run.steps_done() == 0);
  feed(run, kSteps);
  CHECK_THROWS_WITH_AS(this->step(run), doctest::Contains("all 6 steps are done"), ValueError);
  run.finish();
  CHECK_THROWS_WITH_AS(run.finish(), doctest::Contains("training was ended already"), ValueError);
}

TEST_CASE_FIXTURE(Fixture, "a step that is not finite ends a fed run") {
  PretrainSettings how = settings();
  how.train.lr = 1e30;
  how.train.warmup = {.epochs = 0};
  FedRun run(how, device, options());
  std::int64_t before = 0;
  const auto train = [&] {
    for (; before < kSteps; ++before) step(run);
  };
  CHECK_THROWS_AS(train(), NumericalError);
  const std::string why = concat("step ", before + 1, " failed");
  CHECK_THROWS_WITH_AS(step(run), doctest::Contains(why.c_str()), ValueError);
  CHECK_THROWS_WITH_AS(run.save_checkpoint(folder / "bad"), doctest::Contains(why.c_str()), ValueError);
  CHECK_THROWS_WITH_AS(run.finish(), doctest::Contains(why.c_str()), ValueError);
}

TEST_CASE_FIXTURE(Fixture, "statistics that are not finite are no checkpoint") {
  FedRun run(settings(), device, options());
  std::vector<float> huge(8 * 100);
  for (std::size_t i = 0; i < huge.size(); ++i) huge[i] = 1e25F * std::sin(static_cast<float>(i));  // variances overflow
  const std::vector<ViewArray> views(2, {huge.data(), 8, 10, 10, 1});
  run.step_views(views);
  CHECK_THROWS_WITH_AS(run.save_checkpoint(folder / "bad"), doctest::Contains("after step 1 online."), NumericalError);
  CHECK_FALSE(std::filesystem::exists(folder / "bad"));
}

TEST_CASE_FIXTURE(Fixture, "settings that a fed run cannot follow are refused by name") {
  const auto refuses = [&](const std::string& why, const std::function<void(PretrainSettings&, FedRunOptions&)>& change) {
    PretrainSettings how = settings();
    FedRunOptions fed = options();
    change(how, fed);
    CHECK_THROWS_WITH(FedRun(how, device, fed), doctest::Contains(why.c_str()));
  };
  refuses("channels is 2", [](auto&, auto& fed) { fed.channels = 2; });
  refuses("data.channels is 3", [](auto& how, auto&) { how.data.channels = 3; });
  refuses("has 7 images, fewer than the 8", [](auto&, auto& fed) { fed.images = 7; });
  refuses("data.limit is 20, but there are 28", [](auto& how, auto&) { how.data.limit = 20; });
  refuses("data.mean and data.std must be set", [](auto& how, auto&) { how.data.mean = how.data.std = {}; });
  refuses("1 channel", [](auto& how, auto&) { how.data.mean = how.data.std = {0.5, 0.5}; });
  refuses("eval.every_epochs is 1", [](auto& how, auto&) { how.eval.every_epochs = 1; });
  refuses("train.sync_batch_norm is 2, but 1 process has no equal groups",
          [](auto& how, auto&) { how.train.sync_batch_norm = 2; });
  refuses("without one, name the checkpoint", [](auto&, auto& fed) { fed.resume = Resume::same_settings; });
  refuses("has no checkpoint to go on from", [&](auto&, auto& fed) { fed.checkpoint = folder / "."; });
  refuses("cannot be given, too", [&](auto&, auto& fed) {
    fed.folder = folder / "out";
    fed.checkpoint = folder / "x";
  });
  CHECK_FALSE(std::filesystem::exists(folder / "out"));
  train_run(settings(), device, folder / "run");
  refuses("train.seed is 3 in the checkpoint, but 4 here", [&](auto& how, auto& fed) {
    how.train.seed = 4;
    fed.checkpoint = folder / "run";
  });
  refuses("is not empty", [&](auto&, auto& fed) { fed.folder = folder / "run"; });
}
