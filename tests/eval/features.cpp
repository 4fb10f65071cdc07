#include "mec/eval/features.h"

#include <doctest/doctest.h>

#include <limits>

#include "data/fixtures.h"
#include "mec/autograd/ops.h"
#include "mec/data/formats/memory_dataset.h"
#include "mec/tensor/devices.h"
#include "mec/tensor/ops.h"

namespace mec {
namespace {

const Device& shared_device() {
  static const Device device = make_reference_device();
  return device;
}

// The mean of each channel, so that the expected features can be read off the images; notes how it
// was called.
struct MeanEncoder : Module {
  Variable forward(const Variable& x, const Pass& pass) const override {
    training = training || pass.training;
    largest_batch = std::max(largest_batch, x.shape()[0]);
    dtype = x.data().dtype();
    const Variable y = mul(global_avg_pool(x), to(factor, dtype));
    recorded = recorded || y.requires_grad();
    return y;
  }
  void visit(const std::string&, Visitor&) override {}

  Variable factor{Tensor::full({1}, 1.0, Dtype::f32, shared_device()), true};
  mutable bool training = false, recorded = false;
  mutable std::int64_t largest_batch = 0;
  mutable Dtype dtype = Dtype::f64;
};

// Image i is filled with the gray level 10·i; label i % 3.
DatasetPtr gray_images(int n) {
  std::vector<std::uint8_t> pixels;
  std::vector<std::int32_t> labels;
  for (int i = 0; i < n; ++i) {
    pixels.insert(pixels.end(), 16, static_cast<std::uint8_t>(10 * i));
    labels.push_back(i % 3);
  }
  return std::make_shared<MemoryDataset>(DatasetInfo{.kind = "test",
                                                     .channels = 1,
                                                     .size = {4, 4},
                                                     .has_labels = true,
                                                     .class_names = {"a", "b", "c"},
                                                     .normalization = {{0.5F}, {0.25F}}},
                                         pixels, labels);
}

ImageStream gray_stream(int n, const Device& device, const StreamOptions& options = {}) {
  return stream_dataset(gray_images(n), make_eval_transform({.size = 4, .resize = 4}, {{0.5F}, {0.25F}}), device, options);
}

TEST_CASE("embedding keeps the order of the images across batches, in evaluation mode and without a graph") {
  const Device& device = shared_device();
  const MeanEncoder encoder;
  const Features features = embed(encoder, gray_stream(7, device, {.batch = 3, .workers = 2}));
  REQUIRE(features.x.shape() == Shape{7, 1});
  const auto values = features.x.to_vector<float>();
  for (std::size_t i = 0; i < 7; ++i) CHECK(values[i] == doctest::Approx((10.0 * static_cast<double>(i) / 255 - 0.5) / 0.25));
  CHECK_FALSE(encoder.training);
  CHECK_FALSE(encoder.recorded);
  CHECK(encoder.largest_batch == 3);
  CHECK(features.labels == std::vector<std::int32_t>{0, 1, 2, 0, 1, 2, 0});
}

TEST_CASE("features are f32 when images enter the encoder as bf16") {
  const MeanEncoder encoder;
  const Features features = embed(encoder, gray_stream(2, shared_device()), Dtype::bf16);
  CHECK(encoder.dtype == Dtype::bf16);
  CHECK(features.x.dtype() == Dtype::f32);
}

TEST_CASE("pixel features are the pixels as they are streamed") {
  const Features features = pixel_features(gray_stream(3, shared_device()));
  REQUIRE(features.x.shape() == Shape{3, 16});
  CHECK(features.x.to_vector<float>()[16] == doctest::Approx((10.0 / 255 - 0.5) / 0.25));
}

TEST_CASE("images in memory are those of a data set, to the bit, and an array of floats is taken as it is") {
  const Device& device = shared_device();
  for (const int side : {6, 9}) {  // as they are, and resized
    const auto random = test::random_image({side, side}, 3, 5), other = test::random_image({side, side}, 3, 6);
    std::vector<std::uint8_t> pixels = random.pixels;
    pixels.insert(pixels.end(), other.pixels.begin(), other.pixels.end());
    const Normalization normalization{{0.5F, 0.4F, 0.3F}, {0.2F, 0.3F, 0.4F}};
    const TransformPtr view = make_eval_transform(EvalViewSettings::for_images({side, side}, 6), normalization);
    const auto data = std::make_shared<MemoryDataset>(DatasetInfo{.kind = "test",
                                                                  .channels = 3,
                                                                  .size = {side, side},
                                                                  .has_labels = false,
                                                                  .class_names = {},
                                                                  .normalization = normalization},
                                                      pixels, std::vector<std::int32_t>{});
    const ImageArray array{.pixels = pixels.data(), .count = 2, .height = side, .width = side, .channels = 3};
    const auto values = pixel_features(stream_dataset(data, view, device)).x.to_vector<float>();
    CHECK(pixel_features(stream_images(array, view, device)).x.to_vector<float>() == values);
    CHECK(pixel_features(stream_images(array, view, device, {.batch = 1})).x.to_vector<float>() == values);
  }
  const Tensor array = Tensor::from(std::vector<float>{7, 8, 9}, {3, 1, 1, 1}, device);
  CHECK(pixel_features(stream_array(array, "x.npy", device, {.batch = 2})).x.to_vector<float>() == std::vector<float>{7, 8, 9});
}

TEST_CASE("images in memory that are none are refused") {
  const std::vector<std::uint8_t> pixels(12);
  const TransformPtr view = make_eval_transform({.size = 2, .resize = 2}, {{0.5F}, {0.5F}});
  const auto stream = [&](const ImageArray& images, std::int64_t batch = 4) {
    stream_images(images, view, shared_device(), {.batch = batch});
  };
  CHECK_NOTHROW(stream({pixels.data(), 3, 2, 2, 1}));
  CHECK_THROWS_WITH_AS(stream({pixels.data(), 0, 2, 2, 1}), doctest::Contains("but are (0,2,2,1)"), ShapeError);
  CHECK_THROWS_WITH_AS(stream({pixels.data(), 1, 2, 2, 2}), doctest::Contains("1 or 3 channels, but are (1,2,2,2)"),
                       ShapeError);
  CHECK_THROWS_WITH_AS(stream({pixels.data(), 1, 1 << 15, 1 << 15, 1}), doctest::Contains("at most 178956970 pixels"),
                       ShapeError);
  CHECK_THROWS_WITH_AS(stream({nullptr, 3, 2, 2, 1}), doctest::Contains("null"), ValueError);
  CHECK_THROWS_WITH_AS(stream({pixels.data(), 3, 2, 2, 1}, 0), doctest::Contains("at least one image"), ValueError);
}

TEST_CASE("an array that holds no images is refused by name and position") {
  const Device& device = shared_device();
  const Tensor nan = Tensor::from(std::vector<float>{0, 0, 0, std::numeric_limits<float>::quiet_NaN()}, {2, 1, 2, 1}, device);
  CHECK_THROWS_WITH_AS(stream_array(nan, "x.npy", device),
                       doctest::Contains("x.npy: all values must be finite, but the one at [1,0,1,0] is"), ValueError);
  CHECK_THROWS_AS(stream_array(nan.reshape({2, 2}), "x.npy", device), ShapeError);
  CHECK_THROWS_AS(stream_array(Tensor::zeros({1, 1, 1, 1}, Dtype::f64, device), "x.npy", device), DtypeError);
}

TEST_CASE("an encoder must give one row for each image") {
  struct Flat : MeanEncoder {
    Variable forward(const Variable& x, const Pass&) const override { return reshape(x, {1, x.data().numel()}); }
  };
  CHECK_THROWS_AS(embed(Flat{}, gray_stream(4, shared_device())), ShapeError);
}

}  // namespace
}  // namespace mec
