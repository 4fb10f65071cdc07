// Each augmentation, and chains of them, against torchvision: within one gray level.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "mec/data/augment/blur.h"
#include "mec/data/augment/color.h"
#include "mec/data/augment/finish.h"
#include "mec/data/augment/view.h"
#include "mec/tensor/devices.h"
#include "support/golden.h"

using namespace mec;
using namespace mec::test;

namespace {

constexpr const char* kImages[] = {"gray", "square", "photo"};

// One operation on one image of the golden.
struct Case {
  const Golden& golden;
  std::string operation, picture;

  std::string key() const { return operation + "." + picture; }
  double number(const std::string& parameter) const { return golden.number(concat(key(), ".", parameter)); }
  float real(const std::string& parameter) const { return static_cast<float>(number(parameter)); }
  int integer(const std::string& parameter) const { return static_cast<int>(number(parameter)); }

  Tensor image_tensor() const { return golden.at("image." + picture, Dtype::u8); }
  Image image() const {
    const Tensor t = golden.at("image." + picture, Dtype::u8);
    return {.width = static_cast<int>(t.dim(1)),
            .height = static_cast<int>(t.dim(0)),
            .channels = static_cast<int>(t.dim(2)),
            .pixels = t.to_vector<std::uint8_t>()};
  }
  CropBox crop() const {
    return {.top = integer("top"), .left = integer("left"), .height = integer("height"), .width = integer("width")};
  }
};

Planes whole(const Image& image) {
  return resized_crop(image, {.top = 0, .left = 0, .height = image.height, .width = image.width}, image.size());
}

// Under which finish_view() and apply_view() leave gray levels as they are.
Normalization gray_levels(int channels) {
  const auto count = static_cast<std::size_t>(channels);
  return {.mean = std::vector<float>(count, 0.0F), .std = std::vector<float>(count, 1.0F / 255.0F)};
}

std::vector<float> levels(const Planes& planes, bool flip = false) {
  std::vector<float> out(planes.values().size());
  finish_view(planes, gray_levels(planes.channels()), {.flip = flip, .image_channels = planes.channels()}, out);
  return out;
}

std::vector<float> run_chain(const Case& c) {
  const int size = c.integer("size");
  ViewParams params{.crop = c.crop(),
                    .to_height = size,
                    .to_width = size,
                    .gray = c.integer("gray") != 0,
                    .blur_sigma = c.real("sigma"),
                    .blur_radius = c.integer("kernel") / 2,
                    .solarize = true,
                    .flip = true,
                    .solarize_threshold = c.real("threshold")};
  for (std::size_t i = 0; i < params.jitter.size(); ++i) {
    params.jitter_order[i] = static_cast<Jitter>(c.integer(concat("order", i)));
    params.jitter[i] = c.real(concat("jitter", i));
  }
  const Image image = c.image();
  std::vector<float> out(static_cast<std::size_t>(size * size * image.channels));
  apply_view(image, params, {size, size}, gray_levels(image.channels), image.channels, out);
  return out;
}

// Our answer, rounded as a file would be, and torchvision's differ by one level at most.
void check_levels(const Case& c, const std::vector<float>& ours) {
  const auto expected = c.golden.at(c.key(), Dtype::u8).to_vector<std::uint8_t>();
  REQUIRE(ours.size() == expected.size());
  double worst = 0;
  for (std::size_t i = 0; i < ours.size(); ++i) {
    const double difference = std::fabs(std::round(ours[i]) - expected[i]);
    worst = std::isnan(difference) ? 256 : std::max(worst, difference);
  }
  CHECK_MESSAGE(worst <= 1, c.key(), ": ", worst, " gray levels away");
}

void check_operation(const std::string& operation, void (*apply)(const Case&, Planes&)) {
  const Golden golden("augment", make_device("reference"));
  for (const char* picture : kImages) {
    const Case c{golden, operation, picture};
    Planes planes = whole(c.image());
    apply(c, planes);
    check_levels(c, levels(planes));
  }
}

}  // namespace

TEST_CASE("a resized crop is torchvision's, smaller and larger") {
  const Golden golden("augment", make_device("reference"));
  for (const char* operation : {"crop_down", "crop_up"}) {
    for (const char* picture : kImages) {
      const Case c{golden, operation, picture};
      check_levels(
          c, levels(resized_crop(c.image(), c.crop(), {.width = c.integer("to_width"), .height = c.integer("to_height")})));
    }
  }
}

TEST_CASE("brightness, contrast and saturation are torchvision's") {
  check_operation("brightness", [](const Case& c, Planes& image) { adjust_brightness(image, c.real("factor")); });
  check_operation("contrast", [](const Case& c, Planes& image) { adjust_contrast(image, c.real("factor")); });
  check_operation("saturation", [](const Case& c, Planes& image) { adjust_saturation(image, c.real("factor")); });
}

TEST_CASE("hue, gray and solarise are torchvision's") {
  check_operation("hue_forward", [](const Case& c, Planes& image) { adjust_hue(image, c.real("shift")); });
  check_operation("hue_backward", [](const Case& c, Planes& image) { adjust_hue(image, c.real("shift")); });
  check_operation("grayscale", [](const Case&, Planes& image) { to_gray(image); });
  check_operation("solarize", [](const Case& c, Planes& image) { solarize(image, c.real("threshold")); });
}

TEST_CASE("Gaussian blur is torchvision's") {
  check_operation("blur", [](const Case& c, Planes& image) { gaussian_blur(image, c.real("sigma"), c.integer("kernel")); });
}

TEST_CASE("the mirror is torchvision's") {
  const Golden golden("augment", make_device("reference"));
  for (const char* picture : kImages) {
    const Case c{golden, "flip", picture};
    check_levels(c, levels(whole(c.image()), true));
  }
}

TEST_CASE("a whole view is torchvision's operations one after another") {
  const Golden golden("augment", make_device("reference"));
  for (const char* operation : {"chain", "chain_gray"}) {
    for (const char* picture : kImages) {
      const Case c{golden, operation, picture};
      check_levels(c, run_chain(c));
    }
  }
}
