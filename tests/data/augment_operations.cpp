#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>

#include "data/fixtures.h"
#include "mec/data/augment/blur.h"
#include "mec/data/augment/color.h"
#include "mec/data/augment/eval_view.h"
#include "mec/data/augment/finish.h"
#include "mec/data/augment/resize.h"
#include "mec/data/augment/view.h"
#include "mec/data/formats/open_dataset.h"

using namespace mec;
using namespace mec::test;

namespace {

// Float rounding of values up to 255, over a few operations.
constexpr double kTolerance = 1e-3;

Planes planes(int channels, ImageSize size, const std::vector<float>& values) {
  Planes image(channels, size);
  REQUIRE(values.size() == image.values().size());
  std::copy(values.begin(), values.end(), image.values().begin());
  return image;
}

void check_values(const Planes& image, const std::vector<double>& expected) {
  REQUIRE(image.values().size() == expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i) {
    CAPTURE(i);
    CHECK(std::abs(image.values()[i] - expected[i]) < kTolerance);
  }
}

CropBox whole(const Image& image) { return {.top = 0, .left = 0, .height = image.height, .width = image.width}; }

}  // namespace

TEST_CASE("resizing enlarges by linear interpolation and shrinks with a widened triangle") {
  const Image two{2, 1, 1, {0, 100}};
  check_values(resized_crop(two, whole(two), {4, 1}), {0, 25, 75, 100});
  // Output 0 is centred on 1 with support 2: weights ¾, ¾ and ¼ for pixels 0, 1 and 2, over their
  // sum.
  const Image four{4, 1, 1, {0, 100, 200, 100}};
  check_values(resized_crop(four, whole(four), {2, 1}), {125 / 1.75, 250 / 1.75});
  const Image column{1, 4, 1, {0, 100, 200, 100}};
  check_values(resized_crop(column, whole(column), {1, 2}), {125 / 1.75, 250 / 1.75});
}

TEST_CASE("resizing to the same size changes nothing and splits pixels into planes") {
  const Image image{2, 1, 3, {1, 2, 3, 4, 5, 6}};
  check_values(resized_crop(image, whole(image), {2, 1}), {1, 4, 2, 5, 3, 6});
}

TEST_CASE("pixels outside the crop have no part in it") {
  Image image = random_image({9, 8}, 3, 1);
  const CropBox crop{.top = 2, .left = 3, .height = 4, .width = 5};
  const Planes before = resized_crop(image, crop, {7, 3});
  for (int y = 0; y < image.height; ++y) {
    for (int x = 0; x < image.width; ++x) {
      const bool inside = y >= 2 && y < 6 && x >= 3 && x < 8;
      for (int c = 0; c < 3 && !inside; ++c) image.pixels[static_cast<std::size_t>((y * 9 + x) * 3 + c)] ^= 0xff;
    }
  }
  const Planes after = resized_crop(image, crop, {7, 3});
  CHECK(std::equal(before.values().begin(), before.values().end(), after.values().begin()));
}

TEST_CASE("a window of a resized crop is that part of the whole, to the bit") {
  const Image image = random_image({23, 17}, 3, 2);
  const CropBox crop{.top = 1, .left = 2, .height = 15, .width = 20};
  const Planes all = resized_crop(image, crop, {11, 13});
  const Planes part = resized_crop(image, crop, {11, 13}, {.top = 4, .left = 3, .height = 6, .width = 5});
  for (int c = 0; c < 3; ++c) {
    for (int i = 0; i < 30; ++i) {
      CHECK(part.plane(c)[static_cast<std::size_t>(i)] == all.plane(c)[static_cast<std::size_t>((4 + i / 5) * 11 + 3 + i % 5)]);
    }
  }
}

TEST_CASE("a crop that is empty or leaves the image is refused") {
  const Image image = random_image({4, 4}, 1, 3);
  CHECK_THROWS_AS(resized_crop(image, {.top = 1, .left = 0, .height = 4, .width = 4}, {2, 2}), ValueError);
  CHECK_THROWS_AS(resized_crop(image, {.top = 0, .left = -1, .height = 4, .width = 4}, {2, 2}), ValueError);
  CHECK_THROWS_AS(resized_crop(image, {.top = 0, .left = 0, .height = 0, .width = 4}, {2, 2}), ValueError);
  CHECK_THROWS_AS(resized_crop(image, whole(image), {0, 2}), ValueError);
}

TEST_CASE("brightness scales, contrast stretches about the mean gray, saturation about each pixel's gray") {
  Planes a = planes(1, {3, 1}, {0, 100, 200});
  adjust_brightness(a, 1.5F);
  check_values(a, {0, 150, 255});
  Planes b = planes(1, {3, 1}, {0, 100, 200});
  adjust_contrast(b, 0.5F);
  check_values(b, {50, 100, 150});
  adjust_contrast(b, 4.0F);
  check_values(b, {0, 100, 255});

  const double gray = 0.2989 * 200 + 0.587 * 100 + 0.114 * 50;
  Planes c = planes(3, {2, 1}, {200, 0, 100, 0, 50, 0});
  adjust_saturation(c, 0.5F);
  check_values(c, {100 + gray / 2, 0, 50 + gray / 2, 0, 25 + gray / 2, 0});
  Planes d = planes(3, {2, 1}, {200, 0, 100, 0, 50, 0});
  adjust_contrast(d, 0.5F);  // the mean of the gray image is gray/2
  check_values(d, {100 + gray / 4, gray / 4, 50 + gray / 4, gray / 4, 25 + gray / 4, gray / 4});
  Planes e = planes(3, {1, 1}, {200, 100, 50});
  to_gray(e);
  check_values(e, {gray, gray, gray});
}

TEST_CASE("hue turns colours around the circle and leaves gray alone") {
  const auto turned = [](const std::vector<float>& rgb, float shift) {
    Planes image = planes(3, {1, 1}, rgb);
    adjust_hue(image, shift);
    return image;
  };
  check_values(turned({200, 0, 0}, 1.0F / 3), {0, 200, 0});
  check_values(turned({200, 0, 0}, -1.0F / 3), {0, 0, 200});
  check_values(turned({0, 200, 0}, 1.0F / 3), {0, 0, 200});
  check_values(turned({0, 0, 200}, 1.0F / 3), {200, 0, 0});
  check_values(turned({200, 50, 50}, 0.5F), {50, 200, 200});
  check_values(turned({200, 50, 50}, -0.5F), {50, 200, 200});
  check_values(turned({0, 0, 255}, 1.0F / 12), {127.5, 0, 255});
  check_values(turned({77, 77, 77}, 0.3F), {77, 77, 77});
  // torchvision 0.29, adjust_hue(·, 0.1) on a float image.
  check_values(turned({10, 120, 240}, 0.1F), {38, 10, 240});
  check_values(turned({10, 120, 240}, 0.0F), {10, 120, 240});
}

TEST_CASE("saturation, hue and gray do nothing to one channel") {
  Planes image = planes(1, {2, 1}, {10, 200});
  adjust_saturation(image, 0.1F);
  adjust_hue(image, 0.4F);
  to_gray(image);
  check_values(image, {10, 200});
}

TEST_CASE("solarising inverts from the threshold on") {
  Planes image = planes(1, {4, 1}, {0, 127, 128, 255});
  solarize(image, 128.0F);
  check_values(image, {0, 127, 127, 0});
}

TEST_CASE("blur is a normalised Gaussian with reflected borders") {
  const double w = std::exp(-0.5);
  const double side = w / (1 + 2 * w);
  const double middle = 1 / (1 + 2 * w);
  Planes row = planes(1, {3, 2}, {90, 0, 30, 90, 0, 30});
  gaussian_blur(row, 1.0F, 3);
  const double left = middle * 90;  // both neighbours of the first pixel are the second
  const double center = side * (90 + 30);
  const double right = middle * 30;
  check_values(row, {left, center, right, left, center, right});
  Planes column = planes(1, {2, 3}, {90, 90, 0, 0, 30, 30});
  gaussian_blur(column, 1.0F, 3);
  check_values(column, {left, left, center, center, right, right});

  Planes flat(3, {5, 7});
  std::fill(flat.values().begin(), flat.values().end(), 200.0F);
  gaussian_blur(flat, 2.0F);
  check_values(flat, std::vector<double>(3 * 35, 200));
}

TEST_CASE("the blur's own kernel size reaches three sigma and no further than reflection allows") {
  CHECK(blur_kernel_size(0.1F, {28, 28}) == 3);
  CHECK(blur_kernel_size(2.0F, {28, 28}) == 13);
  CHECK(blur_kernel_size(2.0F, {4, 28}) == 7);
  CHECK(blur_kernel_size(2.0F, {1, 1}) == 1);
  Planes image(1, {4, 4});
  CHECK_THROWS_AS(gaussian_blur(image, 0.0F), ValueError);
  CHECK_THROWS_AS(gaussian_blur(image, 1.0F, 4), ValueError);
  CHECK_THROWS_AS(gaussian_blur(image, 1.0F, 9), ValueError);
  CHECK_NOTHROW(gaussian_blur(image, 1.0F, 7));
}

TEST_CASE("the last step normalises, mirrors, and fills channels that the image lacks with zeros") {
  const Planes image = planes(3, {2, 1}, {0, 255, 51, 102, 255, 0});
  const Normalization n{{0.5F, 0.2F, 0.0F}, {0.5F, 0.1F, 1.0F}};
  std::vector<float> out(8, 99.0F);
  finish_view(image, n, {.flip = true, .image_channels = 4}, out);
  const std::vector<float> expected{1, 2, 0, 0, -1, 0, 1, 0};
  for (std::size_t i = 0; i < 8; ++i) CHECK(std::abs(out[i] - expected[i]) < 1e-6);
  finish_view(image, n, {.flip = false, .image_channels = 4}, out);
  CHECK(std::abs(out[0] + 1) < 1e-6);
  CHECK_THROWS_AS(finish_view(image, n, {.flip = false, .image_channels = 3}, out), ShapeError);
  CHECK_THROWS_AS(finish_view(image, {{0.5F}, {0.5F}}, {.flip = false, .image_channels = 4}, out), ValueError);
  CHECK_THROWS_AS(finish_view(image, {{0, 0, 0}, {1, 0, 1}}, {.flip = false, .image_channels = 4}, out), ValueError);
}

TEST_CASE("the evaluation view resizes the shorter side and cuts out the centre") {
  const Image image = random_image({31, 20}, 3, 4);
  const Normalization n = normalization_preset("imagenet");
  std::vector<float> out(16 * 16 * 3);
  apply_eval_view(image, {.size = 16, .resize = 24}, n, 3, out);
  // 31·24/20 = 37 wide; the crop starts at (24 − 16)/2 = 4 and (37 − 16)/2 = 10.5, half to even.
  const Planes resized = resized_crop(image, whole(image), {37, 24});
  for (int y = 0; y < 16; ++y) {
    for (int x = 0; x < 16; ++x) {
      const double value = resized.plane(1)[static_cast<std::size_t>((y + 4) * 37 + x + 10)];
      CHECK(std::abs(out[static_cast<std::size_t>((y * 16 + x) * 3 + 1)] - (value / 255 - 0.456) / 0.224) < 1e-5);
    }
  }
  CHECK_THROWS_AS(apply_eval_view(image, {.size = 16, .resize = 15}, n, 3, out), ValueError);
}

TEST_CASE("an evaluation's size and the resized image are bounded") {
  CHECK(EvalViewSettings::for_images({}, kMaxViewSize).resize == 18725);
  for (const std::int64_t size : {std::int64_t{0}, std::int64_t{-1}, std::int64_t{16385},
                                  std::int64_t{300000000}, INT64_MAX}) {
    CHECK_THROWS_WITH_AS(
        EvalViewSettings::for_images({}, size),
        doctest::Contains(concat("between 1 and 16384 pixels on a side, but is ", size).c_str()),
        ValueError);
  }
  CHECK_THROWS_AS(validate(EvalViewSettings{.size = 16385, .resize = 20000}), ValueError);
  CHECK(eval_view({.size = 224, .resize = 256}, {8388607, 1}).to_width == 8388607 * 256);
  CHECK_THROWS_WITH_AS(eval_view({.size = 224, .resize = 256}, {8388608, 1}),
                       doctest::Contains("2147483648 pixels long"), ValueError);
}

TEST_CASE("images that have the size already are only normalised for evaluation") {
  const EvalViewSettings settings = EvalViewSettings::for_images({28, 28}, 28);
  CHECK(settings.resize == 28);
  CHECK(EvalViewSettings::for_images({}, 224).resize == 256);
  CHECK(EvalViewSettings::for_images({32, 28}, 28).resize == 32);
  const Image image = random_image({28, 28}, 1, 5);
  std::vector<float> out(28 * 28);
  apply_eval_view(image, settings, {{0.0F}, {1.0F}}, 1, out);
  for (std::size_t i = 0; i < out.size(); ++i) CHECK(std::abs(out[i] * 255 - image.pixels[i]) < kTolerance);
}
