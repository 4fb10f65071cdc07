// Pictures that are written: encoded and read back, thumbnails, several in one.
#include <doctest/doctest.h>

#include "data/fixtures.h"
#include "mec/data/augment/view_image.h"
#include "mec/data/decoders/decode.h"
#include "mec/data/encode_image.h"
#include "mec/data/sheet.h"
#include "mec/tensor/error.h"

using namespace mec;
using namespace mec::test;

namespace {

Image decoded(const std::string& file, int channels) {
  const std::vector<std::uint8_t> bytes(file.begin(), file.end());
  return decode_image(bytes, {.channels = channels}, "a test");
}

Image plain(int width, int height, int channels, std::uint8_t value) {
  Image image{.width = width, .height = height, .channels = channels, .pixels = {}};
  image.pixels.assign(static_cast<std::size_t>(width * height * channels), value);
  return image;
}

}  // namespace

TEST_CASE("a PNG that is written is read back to the same pixels, and a JPEG nearly") {
  for (const int channels : {1, 3}) {
    CAPTURE(channels);
    const Image image = random_image({17, 9}, channels, 5);
    const Image png = decoded(encode_png(image), channels);
    CHECK(png.size() == image.size());
    CHECK(png.pixels == image.pixels);
    const Image gray = plain(24, 16, channels, 100);  // noise is what JPEG keeps least of
    const Image jpeg = decoded(encode_jpeg(gray, 90), channels);
    CHECK(jpeg.size() == gray.size());
    for (const std::uint8_t value : jpeg.pixels) REQUIRE(std::abs(value - 100) <= 2);
  }
  CHECK_THROWS_AS(encode_png({}), ValueError);
  CHECK_THROWS_AS(encode_jpeg(plain(8, 8, 1, 0), 0), ValueError);
  CHECK_THROWS_WITH_AS(encode_jpeg(plain(65536, 1, 1, 0), 90), doctest::Contains("65535"), ValueError);
}

TEST_CASE("a thumbnail is the middle square, and no larger than the image") {
  Image image = plain(60, 20, 1, 10);
  for (int y = 0; y < 20; ++y) {
    for (int x = 20; x < 40; ++x) image.pixels[static_cast<std::size_t>(y * 60 + x)] = 200;
  }
  const Image small = thumbnail(image, 5);
  CHECK(small.size() == ImageSize{5, 5});
  for (std::size_t i = 0; i < 25; ++i) {  // the outer ones have a part of what lies beside them
    if (i % 5 == 0 || i % 5 == 4) CHECK(small.pixels[i] > 150);
    else CHECK(small.pixels[i] == 200);
  }
  CHECK(thumbnail(image, 100).size() == ImageSize{20, 20});
  CHECK(thumbnail(random_image({8, 8}, 3, 2), 64).pixels == random_image({8, 8}, 3, 2).pixels);
}

TEST_CASE("a view as a picture has the pixels that training sees") {
  ViewSettings flip;
  flip = {.size = 8,
          .scale_min = 1,
          .ratio_min = 1,
          .ratio_max = 1,
          .jitter_probability = 0,
          .gray_probability = 0,
          .blur_probability = 0,
          .flip_probability = 1};
  const TransformPtr views = make_augmentation({.views = {flip, flip}}, no_normalization(3));
  const Image image = random_image({8, 8}, 3, 3), view = view_image(image, *views, {.view = 1});
  for (int y = 0; y < 8; ++y) {
    for (int x = 0; x < 8; ++x) {
      for (int c = 0; c < 3; ++c)
        REQUIRE(view.pixels[static_cast<std::size_t>((y * 8 + x) * 3 + c)] ==
                image.pixels[static_cast<std::size_t>((y * 8 + 7 - x) * 3 + c)]);
    }
  }
}

TEST_CASE("a sheet has each picture in its square, row by row, on white") {
  const Image sheet =
      make_sheet({plain(2, 2, 1, 10), plain(1, 1, 3, 20), plain(9, 9, 1, 30)}, {.columns = 2, .side = 4, .gap = 1});
  CHECK(sheet.size() == ImageSize{11, 11});
  CHECK(sheet.channels == 3);
  const auto at = [&](int x, int y) { return static_cast<int>(sheet.pixels[static_cast<std::size_t>((y * 11 + x) * 3)]); };
  CHECK(at(0, 0) == 255);
  CHECK(at(1, 1) == 10);  // repeated twice
  CHECK(at(4, 4) == 10);
  CHECK(at(5, 5) == 255);
  CHECK(at(6, 1) == 20);
  CHECK(at(9, 4) == 20);
  CHECK(at(10, 4) == 255);
  CHECK(at(4, 9) == 30);  // cut off
  CHECK(at(5, 9) == 255);
  CHECK(at(6, 6) == 255);  // no fourth picture
  CHECK_THROWS_AS(make_sheet({}, {}), ValueError);
  CHECK_THROWS_AS(make_sheet({plain(1, 1, 1, 0)}, {.columns = 1, .side = 1 << 20}), ShapeError);
}
