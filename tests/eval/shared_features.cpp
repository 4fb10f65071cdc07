// Images that several ranks share give the features of one process.
#include <doctest/doctest.h>

#include <cmath>
#include <map>
#include <mutex>

#include "mec/autograd/ops.h"
#include "mec/data/formats/memory_dataset.h"
#include "mec/distributed/threads.h"
#include "mec/eval/features.h"
#include "mec/tensor/devices.h"
#include "mec/tensor/ops.h"

namespace mec {
namespace {

// Image i has the gray level i; its label is i % 5.
DatasetPtr gray_images(int n, bool labelled) {
  std::vector<std::uint8_t> pixels;
  std::vector<std::int32_t> labels;
  for (int i = 0; i < n; ++i) {
    pixels.insert(pixels.end(), 16, static_cast<std::uint8_t>(i));
    if (labelled) labels.push_back(i % 5);
  }
  return std::make_shared<MemoryDataset>(DatasetInfo{.kind = "test",
                                                     .channels = 1,
                                                     .size = {4, 4},
                                                     .has_labels = labelled,
                                                     .class_names = {},
                                                     .normalization = {{0.0F}, {1.0F}}},
                                         pixels, labels);
}

// The gray level, the number of images in the batch, and the place there: features that a batch cut
// elsewhere changes. Counts how often each image was seen.
struct PlaceEncoder : Module {
  Variable forward(const Variable& x, const Pass&) const override {
    const std::int64_t n = x.shape()[0];
    const std::vector<float> gray = global_avg_pool(x).data().to_vector<float>();
    std::vector<float> rows;
    for (std::int64_t i = 0; i < n; ++i) {
      const float level = gray[static_cast<std::size_t>(i)];
      rows.insert(rows.end(), {level, static_cast<float>(n), static_cast<float>(i)});
      const std::lock_guard lock(mutex);
      ++seen[static_cast<int>(std::lround(255 * level))];
    }
    return Variable(Tensor::from(rows, {n, 3}, x.data().device()));
  }
  void visit(const std::string&, Visitor&) override {}

  mutable std::mutex mutex;
  mutable std::map<int, int> seen;
};

Features features_of(const Module& encoder, int images, bool labelled, const CommunicatorPtr& ranks,
                     const Device& device = make_reference_device()) {
  return embed(encoder,
               stream_dataset(gray_images(images, labelled), make_eval_transform({.size = 4, .resize = 4}, {{0.0F}, {1.0F}}),
                              device, {.batch = 3, .ranks = ranks}));
}

TEST_CASE("shared images have the features and labels of one process, and each is embedded once") {
  for (const int images : {1, 3, 7, 12, 20}) {
    for (const int size : {1, 2, 3, 5}) {
      CAPTURE(images);
      CAPTURE(size);
      const bool labelled = images != 12;
      const Features one = features_of(PlaceEncoder(), images, labelled, one_process());
      REQUIRE(one.x.shape() == Shape{images, 3});
      const PlaceEncoder encoder;
      std::vector<Features> all(static_cast<std::size_t>(size));
      run_ranks(size, [&](const CommunicatorPtr& ranks) {
        all[static_cast<std::size_t>(ranks->rank())] = features_of(encoder, images, labelled, ranks);
      });
      CHECK(all.front().x.to_vector<float>() == one.x.to_vector<float>());
      CHECK(all.front().labels == one.labels);
      CHECK(std::ssize(one.labels) == (labelled ? images : 0));
      for (std::size_t rank = 1; rank < all.size(); ++rank) CHECK_FALSE(all[rank].x);
      CHECK(std::ssize(encoder.seen) == images);
      for (const auto& [level, times] : encoder.seen) CHECK(times == 1);
    }
  }
}

// Refuses a gather that not all ranks make on one device: a GPU's goes by another way than the
// host's.
class OnOneDevice : public Communicator {
 public:
  OnOneDevice(CommunicatorPtr inner, Device device) : inner_(std::move(inner)), device_(std::move(device)) {}
  int rank() const override { return inner_->rank(); }
  int size() const override { return inner_->size(); }
  Tensor all_gather(const Tensor& own) override {
    const bool here = own.device() == device_;
    check<DeviceError>(inner_->maximum(here ? 1 : 0) + inner_->maximum(here ? 0 : 1) == 1, "ranks gather on two devices");
    return inner_->all_gather(own);
  }
  void broadcast(const Tensor& t) override { inner_->broadcast(t); }
  std::int64_t broadcast(std::int64_t number) override { return inner_->broadcast(number); }
  double maximum(double value) override { return inner_->maximum(value); }
  CommunicatorPtr split(int group) override { return inner_->split(group); }
  void end_all(int status) override { inner_->end_all(status); }

 protected:
  void reduce(const Tensor& t) override { inner_->all_reduce(t); }

 private:
  CommunicatorPtr inner_;
  Device device_;
};

TEST_CASE("features are gathered on the device that made them, by ranks without a batch, too") {
  for (const int images : {1, 7, 20}) {
    CAPTURE(images);
    const PlaceEncoder encoder;
    run_ranks(3, [&](const CommunicatorPtr& ranks) {
      const Device device = make_reference_device();
      const auto guarded = std::make_shared<OnOneDevice>(ranks, device);
      const Features all = features_of(encoder, images, true, guarded, device);
      if (ranks->rank() == 0) check<ShapeError>(all.x.shape() == Shape{images, 3}, "got ", all.x.shape());
    });
  }
}

TEST_CASE("shared arrays and their pixels are those of one process") {
  const Device device = make_reference_device();
  const Tensor images = random({11, 2, 2, 1}, Dtype::f32, device, {.seed = 3});
  const auto pixels = [&](const CommunicatorPtr& ranks) {
    return pixel_features(stream_array(images, "x.npy", device, {.batch = 2, .ranks = ranks}));
  };
  run_ranks(4, [&](const CommunicatorPtr& ranks) {
    const Features all = pixels(ranks);
    if (ranks->rank() > 0) return;
    check<ValueError>(all.x.to_vector<float>() == images.to_vector<float>(), "the pixels in order");
  });
}

TEST_CASE("an image that one rank cannot embed ends all ranks with its error") {
  struct Refusing : PlaceEncoder {
    Variable forward(const Variable& x, const Pass& pass) const override {
      const float last = x.data().to_vector<float>().back();
      check<ValueError>(std::lround(255 * last) != 5, "the sixth image");
      return PlaceEncoder::forward(x, pass);
    }
  };
  const Refusing encoder;
  CHECK_THROWS_WITH_AS(run_ranks(3, [&](const CommunicatorPtr& ranks) { features_of(encoder, 20, true, ranks); }),
                       "the sixth image", ValueError);
}

TEST_CASE("a stream that ends early is refused, whichever rank's images are missing") {
  for (const int missing : {0, 1}) {
    CHECK_THROWS_WITH_AS(run_ranks(2,
                                   [&](const CommunicatorPtr& ranks) {
                                     const Device device = make_reference_device();
                                     ImageStream images = stream_array(Tensor::zeros({8, 1, 1, 1}, Dtype::f32, device), "x.npy",
                                                                       device, {.batch = 2, .ranks = ranks});
                                     if (ranks->rank() == missing) {
                                       images.next = [next = images.next, left = 1]() mutable {
                                         return left-- > 0 ? next() : std::optional<Batch>();
                                       };
                                     }
                                     pixel_features(images);
                                   }),
                         doctest::Contains("8 images were announced"), ShapeError);
  }
}

}  // namespace
}  // namespace mec
