#include "mec/data/loader/loader.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <set>
#include <thread>

#include "data/fixtures.h"
#include "mec/data/formats/open_dataset.h"
#include "mec/tensor/backends/wrappers/forwarding.h"
#include "mec/tensor/devices.h"

using namespace mec;
using namespace mec::test;

namespace {

// Passes another data set on; counts reads, and throws for the image `broken`.
class ObservedDataset : public Dataset {
 public:
  explicit ObservedDataset(DatasetPtr inner, std::int64_t broken = -1) : inner_(std::move(inner)), broken_(broken) {}
  const DatasetInfo& info() const override { return inner_->info(); }
  std::int64_t size() const override { return inner_->size(); }
  std::int32_t label(std::int64_t i) const override { return inner_->label(i); }
  Image read(std::int64_t i) const override {
    ++reads;
    check<IoError>(broken_ < 0 || i < broken_, "image ", i, " is broken");
    return inner_->read(i);
  }
  mutable std::atomic<std::int64_t> reads{0};

 private:
  DatasetPtr inner_;
  std::int64_t broken_;
};

// Wants images in eight channels, as a GPU does.
class WideDevice : public ForwardingBackend {
 public:
  using ForwardingBackend::ForwardingBackend;
  std::int64_t image_channels(std::int64_t) const override { return 8; }
};

// Never comes back from a read while it is shut.
class ShutDataset : public ObservedDataset {
 public:
  using ObservedDataset::ObservedDataset;
  Image read(std::int64_t i) const override {
    while (shut) std::this_thread::yield();
    return ObservedDataset::read(i);
  }
  std::atomic<bool> shut{true};
};

TransformPtr two_views(int size, int channels = 1) {
  AugmentSettings settings;
  for (auto& view : settings.views) view.size = size;
  return make_augmentation(settings, Normalization{{0.5F}, {0.5F}}.for_channels(channels));
}

TransformPtr plain_view(int size) { return make_eval_transform({.size = size, .resize = size}, {{0.5F}, {0.5F}}); }

std::vector<Batch> all_batches(Loader& loader) {
  std::vector<Batch> batches;
  while (auto batch = loader.next()) batches.push_back(std::move(*batch));
  return batches;
}

bool same_bits(const Batch& a, const Batch& b) {
  if (a.epoch != b.epoch || a.index != b.index || a.ids != b.ids || a.labels != b.labels || a.views.size() != b.views.size()) {
    return false;
  }
  for (std::size_t v = 0; v < a.views.size(); ++v) {
    if (a.views[v].shape() != b.views[v].shape() || a.views[v].to_vector<float>() != b.views[v].to_vector<float>()) {
      return false;
    }
  }
  return true;
}

void check_same(const std::vector<Batch>& a, const std::vector<Batch>& b) {
  REQUIRE(a.size() == b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    CAPTURE(i);
    CHECK(same_bits(a[i], b[i]));
  }
}

const Device kNone;

}  // namespace

TEST_CASE("batches are the same to the bit for any number of workers and any prefetch") {
  const Device device = make_reference_device();
  const auto data = random_dataset(101, {12, 10}, 3);
  LoaderOptions options = training_options();
  options.batch = 40;
  options.epochs = 3;
  options.seed = 11;
  Loader reference(data, two_views(8, 3), options, device);
  const std::vector<Batch> expected = all_batches(reference);
  REQUIRE(expected.size() == 6);
  CHECK(expected[0].views.size() == 2);
  CHECK(expected[0].views[1].shape() == Shape{40, 8, 8, 3});
  CHECK(!reference.next().has_value());
  for (const int workers : {1, 3}) {
    for (const int prefetch : {1, 4}) {
      CAPTURE(workers);
      options.workers = workers;
      options.prefetch = prefetch;
      Loader loader(data, two_views(8, 3), options, device);
      check_same(all_batches(loader), expected);
    }
  }
}

TEST_CASE("a loader that starts later goes on exactly where another one stopped") {
  const Device device = make_reference_device();
  const auto data = random_dataset(25, {6, 6}, 1);
  LoaderOptions options = training_options();
  options.batch = 8;
  options.epochs = 3;
  Loader whole(data, two_views(6), options, device);
  const std::vector<Batch> expected = all_batches(whole);
  REQUIRE(expected.size() == 9);
  for (const std::int64_t at : {1, 3, 5, 8}) {
    CAPTURE(at);
    options.first_epoch = at / 3;
    options.first_batch = at % 3;
    options.workers = static_cast<int>(at % 2);
    Loader rest(data, two_views(6), options, device);
    check_same(all_batches(rest), {expected.begin() + at, expected.end()});
  }
  options.first_epoch = 1;
  options.first_batch = 3;  // the end of an epoch is the start of the next
  Loader rest(data, two_views(6), options, device);
  check_same(all_batches(rest), {expected.begin() + 6, expected.end()});
}

TEST_CASE("an epoch's order is a permutation, another one in each epoch and for each seed") {
  const auto order = epoch_order(1000, 5, 0);
  CHECK(std::set<std::int64_t>(order.begin(), order.end()).size() == 1000);
  CHECK(*std::max_element(order.begin(), order.end()) == 999);
  CHECK(order == epoch_order(1000, 5, 0));
  CHECK(order != epoch_order(1000, 5, 1));
  CHECK(order != epoch_order(1000, 6, 0));
  CHECK(epoch_order(0, 5, 0).empty());
  CHECK(epoch_order(1, 5, 0) == std::vector<std::int64_t>{0});
}

TEST_CASE("a shuffled epoch goes through the images in the order of its seed and number") {
  LoaderOptions options = training_options();
  options.batch = 8;
  options.epochs = 3;
  options.seed = 11;
  options.workers = 2;
  Loader loader(random_dataset(26, {4, 4}, 1), plain_view(4), options, make_reference_device());
  const std::vector<Batch> batches = all_batches(loader);
  REQUIRE(batches.size() == 9);
  for (const Batch& batch : batches) {
    const auto order = epoch_order(26, 11, batch.epoch);
    const auto begin = order.begin() + 8 * batch.index;
    CHECK(batch.ids == std::vector<std::int64_t>(begin, begin + 8));
  }
}

TEST_CASE("every image comes to every place of the shuffle alike") {
  constexpr int kEpochs = 6000;
  std::array<std::array<int, 4>, 4> hits{};
  for (int epoch = 0; epoch < kEpochs; ++epoch) {
    const auto order = epoch_order(4, 3, epoch);
    for (std::size_t i = 0; i < 4; ++i) ++hits[i][static_cast<std::size_t>(order[i])];
  }
  for (const auto& row : hits) {
    // Standard deviation √(6000·¼·¾) = 33.5.
    for (const int h : row) CHECK(std::abs(h - 1500) < 4 * 34);
  }
}

TEST_CASE("without drop_last every image comes once an epoch, the last batch being shorter") {
  const Device device = make_reference_device();
  const auto data = random_dataset(10, {4, 4}, 1);
  Loader loader(data, plain_view(4), {.batch = 4}, device);
  CHECK(loader.batches_per_epoch() == 3);
  const std::vector<Batch> batches = all_batches(loader);
  REQUIRE(batches.size() == 3);
  CHECK(batches[2].views[0].shape() == Shape{2, 4, 4, 1});
  CHECK(batches[1].ids == std::vector<std::int64_t>{4, 5, 6, 7});
  CHECK(batches[1].labels == std::vector<std::int32_t>{1, 2, 0, 1});
  const float first = (data->read(4).pixels[0] / 255.0F - 0.5F) / 0.5F;
  CHECK(batches[1].views[0].to_vector<float>()[0] == doctest::Approx(first));
}

TEST_CASE("a data set without labels gives batches without labels") {
  DatasetInfo info;
  info.channels = 1;
  info.size = {2, 2};
  const auto data = std::make_shared<MemoryDataset>(info, std::vector<std::uint8_t>(12), std::vector<std::int32_t>{});
  Loader loader(data, plain_view(2), {.batch = 3}, make_reference_device());
  CHECK(loader.next()->labels.empty());
}

TEST_CASE("a view is the one drawn for seed, number in the data set, epoch and view") {
  const auto data = random_dataset(20, {6, 6}, 1);
  LoaderOptions options = training_options();
  options.batch = 10;
  options.epochs = 2;
  options.seed = 9;
  options.first_epoch = 1;
  const auto transform = two_views(6);
  Loader loader(data, transform, options, make_reference_device());
  const auto batch = loader.next();
  std::vector<float> expected(36);
  for (std::size_t i = 0; i < 10; ++i) {
    const auto id = batch->ids[i];
    transform->apply(data->read(id), {.seed = 9, .sample = static_cast<std::uint64_t>(id), .epoch = 1, .view = 1}, 1, expected);
    const auto row = static_cast<std::int64_t>(i);
    CHECK(batch->views[1].rows(row, row + 1).to_vector<float>() == expected);
    CHECK(batch->labels[i] == id % 3);
  }
}

TEST_CASE("each image is decoded once for all its views") {
  const auto data = std::make_shared<ObservedDataset>(random_dataset(20, {6, 6}, 1));
  for (const int workers : {0, 2}) {
    data->reads = 0;
    LoaderOptions options = training_options();
    options.batch = 10;
    options.workers = workers;
    Loader loader(data, two_views(6), options, make_reference_device());
    CHECK(all_batches(loader).size() == 2);
    CHECK(data->reads == 20);
  }
}

TEST_CASE("workers are never more than prefetch batches ahead") {
  const auto data = std::make_shared<ObservedDataset>(random_dataset(200, {4, 4}, 1));
  Loader loader(data, plain_view(4), {.batch = 10, .workers = 2, .prefetch = 3}, make_reference_device());
  for (std::int64_t taken = 0; taken < 3; ++taken) {
    while (data->reads < 10 * (3 + taken)) std::this_thread::yield();
    std::this_thread::sleep_for(std::chrono::milliseconds(10));  // time to do wrong
    CHECK(data->reads == 10 * (3 + taken));
    loader.next();
  }
}

TEST_CASE("an error of a worker reaches the consumer in its batch, the same for any number of workers") {
  const auto data = std::make_shared<ObservedDataset>(random_dataset(100, {4, 4}, 1), 57);
  for (const int workers : {0, 1, 3}) {
    CAPTURE(workers);
    Loader loader(data, plain_view(4), {.batch = 25, .workers = workers}, make_reference_device());
    CHECK(loader.next()->index == 0);
    CHECK(loader.next()->index == 1);
    CHECK_THROWS_WITH_AS(loader.next(), "image 57 is broken", IoError);
    CHECK_THROWS_WITH_AS(loader.next(), "image 57 is broken", IoError);
  }
}

TEST_CASE("a loader may be dropped at any time") {
  const auto data = random_dataset(64, {8, 8}, 1);
  for (int taken = 0; taken < 4; ++taken) {
    Loader loader(data, two_views(8), {.batch = 16, .epochs = 100, .workers = 3}, make_reference_device());
    for (int i = 0; i < taken; ++i) loader.next();
  }
}

TEST_CASE("views may differ in size and number") {
  AugmentSettings settings;
  settings.views.resize(3);
  for (std::size_t v = 0; v < 3; ++v) settings.views[v].size = 4 + static_cast<int>(v);
  const auto transform = make_augmentation(settings, {{0.5F}, {0.5F}});
  Loader loader(random_dataset(4, {9, 9}, 1), transform, {.batch = 4, .workers = 1}, make_reference_device());
  const auto batch = loader.next();
  REQUIRE(batch->views.size() == 3);
  CHECK(batch->views[2].shape() == Shape{4, 6, 6, 1});
}

TEST_CASE("images get the channels that the device wants, the new ones zero") {
  const Device device = std::make_shared<WideDevice>(make_reference_device());
  const auto data = random_dataset(3, {4, 4}, 3);
  const auto transform = make_eval_transform({.size = 4, .resize = 4}, normalization_preset("cifar10"));
  Loader loader(data, transform, {.batch = 3}, device);
  const Tensor view = loader.next()->views[0];
  CHECK(view.shape() == Shape{3, 4, 4, 8});
  const std::vector<float> values = view.to_vector<float>();
  for (std::size_t i = 0; i < values.size(); ++i) CHECK((i % 8 < 3 || values[i] == 0.0F));
}

TEST_CASE("options that cannot work are refused with both numbers") {
  const Device device = make_reference_device();
  const auto data = random_dataset(10, {4, 4}, 1);
  const auto refuses = [&](const LoaderOptions& options, const char* why) {
    CHECK_THROWS_WITH_AS(Loader(data, plain_view(4), options, device), doctest::Contains(why), ValueError);
  };
  refuses({.batch = 11, .drop_last = true}, "a batch of 11 images cannot be taken from a data set of 10");
  CHECK_NOTHROW(Loader(data, plain_view(4), {.batch = 11}, device));
  refuses({.batch = 0}, "batch is 0");
  refuses({.batch = 2, .workers = -1}, "not -1");
  refuses({.batch = 2, .workers = 1, .prefetch = 0}, "not 0");
  refuses({.batch = 2, .first_batch = 6}, "first_batch is 6, but an epoch has 5");
  CHECK_THROWS_AS(Loader(data, plain_view(4), {.batch = 2}, kNone), ValueError);
  const auto gray_for_rgb = make_eval_transform({.size = 4, .resize = 4}, normalization_preset("cifar10"));
  CHECK_THROWS_AS(Loader(data, gray_for_rgb, {.batch = 2}, device), ValueError);
  CHECK_THROWS_AS(make_augmentation({.views = {}}, {{0.5F}, {0.5F}}), ValueError);
}

TEST_CASE("normalisation presets are known by name and fit other numbers of channels") {
  CHECK(normalization_preset("fashion-mnist").for_channels(3).mean == std::vector<float>(3, 0.2860F));
  CHECK(normalization_preset("cifar10").for_channels(1).mean[0] == doctest::Approx((0.4914 + 0.4822 + 0.4465) / 3));
  CHECK_THROWS_WITH_AS(normalization_preset("fasion"), doctest::Contains("there are mnist, fashion-mnist"), ValueError);
}

TEST_CASE("views that cannot lie in the machine's memory are refused before any is made") {
  class Endless : public Dataset {
   public:
    Endless() {
      info_.channels = 1;
      info_.normalization = {{0.5F}, {0.5F}};
    }
    const DatasetInfo& info() const override { return info_; }
    std::int64_t size() const override { return 1 << 20; }
    std::int32_t label(std::int64_t) const override { return 0; }
    Image read(std::int64_t) const override { throw ValueError("an image was read"); }

   private:
    DatasetInfo info_;
  };
  const auto make = [] { Loader(std::make_shared<Endless>(), two_views(16384), {.batch = 1 << 20}, make_reference_device()); };
  CHECK_THROWS_WITH_AS(make(), doctest::Contains("the views of 1048576 images of (1048576,16384,16384,1) take 2147483648 MiB"),
                       MemoryError);
}

TEST_CASE("a wait for images that do not come is given up, and the batch comes when they do") {
  const DatasetPtr images = random_dataset(40, {6, 6}, 1);
  LoaderOptions options = training_options();
  options.batch = 8;
  options.workers = 2;
  Loader plain(images, two_views(4), options, make_reference_device());
  const std::vector<Batch> expected = all_batches(plain);
  const auto shut = std::make_shared<ShutDataset>(images);
  int asked = 0;
  options.give_up = [&] { return ++asked >= 3; };
  Loader loader(shut, two_views(4), options, make_reference_device());
  CHECK_FALSE(loader.next().has_value());
  CHECK(asked == 3);
  CHECK_FALSE(loader.next().has_value());
  shut->shut = false;
  std::vector<Batch> batches;
  while (batches.size() < expected.size()) {
    if (auto batch = loader.next()) batches.push_back(std::move(*batch));
  }
  check_same(batches, expected);
  CHECK_FALSE(loader.next().has_value());
}
