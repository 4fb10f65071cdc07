#include "mec/data/decoders/decode.h"

#include <doctest/doctest.h>

#include "data/fixtures.h"
#include "mec/data/decoders/exif.h"
#include "mec/data/decoders/image_formats.h"

using namespace mec;
using namespace mec::test;

namespace {

Image decode(const std::string& file, const DecodeOptions& options = {}) {
  return decode_image({reinterpret_cast<const std::uint8_t*>(file.data()), file.size()}, options,
                      "x");
}

const std::string kPng = make_png(2, 1, {255, 0, 0, 10, 20, 30});

}  // namespace

TEST_CASE("PNG files of every kind of channels are decoded to the channels asked for") {
  CHECK(decode(kPng).pixels == std::vector<std::uint8_t>{255, 0, 0, 10, 20, 30});
  CHECK(decode(kPng, {.channels = 1}).pixels ==
        std::vector<std::uint8_t>{76, 18});  // PIL's convert("L")
  CHECK(decode(make_png(1, 2, {3, 4})).pixels == std::vector<std::uint8_t>{3, 3, 3, 4, 4, 4});
  CHECK(decode(make_png(1, 1, {3, 99}), {.channels = 1}).pixels == std::vector<std::uint8_t>{3});
  CHECK(decode(make_png(1, 1, {1, 2, 3, 99})).pixels == std::vector<std::uint8_t>{1, 2, 3});
  CHECK(decode(kPng).size() == ImageSize{2, 1});
  CHECK_THROWS_AS(decode(kPng, {.channels = 2}), ValueError);
}

TEST_CASE("a JPEG file is decoded within one level of libjpeg") {
  const Image image = decode(make_jpeg(), {.channels = 1});
  REQUIRE(image.size() == ImageSize{16, 8});
  for (int y = 0; y < 8; ++y) {
    for (int x = 0; x < 16; ++x) {
      const int expected = x == 9 ? 143 : 16 * x;
      CHECK(std::abs(image.pixels[static_cast<std::size_t>(y * 16 + x)] - expected) <= 1);
    }
  }
}

TEST_CASE("image files that cannot be decoded are errors with their name and a reason") {
  const TempFolder folder;
  const auto refuses = [&](const std::string& content, const std::string& why) {
    write_bytes(folder / "some.jpg", content);
    CHECK_THROWS_WITH_AS(read_image(folder / "some.jpg", {}),
                         doctest::Contains(("some.jpg: " + why).c_str()), IoError);
  };
  const std::string png = "the PNG file cannot be decoded: ";
  const std::string jpeg = "the JPEG file cannot be decoded: ";
  refuses("", "the image file is empty");
  refuses("%PDF-1.4",
          "by its first bytes none of the image files that this build reads (JPEG, PNG");
  refuses(std::string("\0\0\0\x1c", 4) + "ftypavif\0\0\0\0",
          "this build does not read AVIF: mec has no decoder");
  refuses(png_header(13378, 13378, 3) + png_chunk("IDAT", "") + png_chunk("IEND", ""),
          png + "the image is 13378x13378, but at most 178956970 pixels are read");
  // libpng is asked for pixels, stb_image for rows, each with a byte for its filter.
  const int bytes = find_image_format("x.png")->decoder == "stb_image" ? 507'013'000 : 507'000'000;
  refuses(png_header(13000, 13000, 3) + png_chunk("IDAT", "ten bytes.") + png_chunk("IEND", ""),
          concat(png, "its picture takes ", bytes, " bytes, but a file of 67 bytes may hold at most 67108864"));
  refuses(kPng.substr(0, 50), png + "the file is truncated");
  // libpng would take 553 MB for this chunk before it sees that the file ends.
  refuses(png_header(4, 4, 3) + std::string("\x21\0\0\x26", 4) + "eXIf" + std::string(100, 'x'),
          png + "the file is truncated: it has 141 bytes, but its picture goes on");
  refuses(make_jpeg().substr(0, 100), jpeg + "the file is truncated");
  // No reason may be empty.
  std::string no_height = make_jpeg();
  no_height[94] = no_height[95] = 0;  // in the frame header
  for (const std::string& file : {png_header(0, 1, 3) + png_chunk("IEND", ""), no_height}) {
    try {
      decode(file);
      FAIL("an image without pixels was decoded");
    } catch (const IoError& error) {
      const std::string text = error.what();
      CHECK(text.substr(text.find("decoded: ")).size() > 20);
    }
  }
}

TEST_CASE(
    "every format is known by its extension, in either case, and says what reads it or what "
    "would") {
  CHECK(find_image_format("a/x.JPEG")->name == "JPEG");
  CHECK(find_image_format("x.jfif")->name == "JPEG");
  CHECK(find_image_format("x.tar.tif")->name == "TIFF");
  CHECK(find_image_format("x.heic")->name == "HEIF");
  for (const char* other : {"x.txt", "x", ".png", "png", "x.pn", "x.g", "x."})
    CHECK(find_image_format(other) == nullptr);
  for (const char* read : {"x.jpg", "x.jpe", "x.Png", "x.bmp", "x.ppm"})
    CHECK(reads_extension(read));
  for (const char* unread : {"x.avif", "x.jxl", "x.txt"}) CHECK(!reads_extension(unread));
  for (const ImageFormat& format : image_formats()) {
    CAPTURE(std::string(format.name));
    CHECK(format.is_read() == !format.decoder.empty());
    CHECK((format.is_read() || !format.note.empty()));
    CHECK((list_read_formats().find(format.name) != std::string::npos) == format.is_read());
  }
}

TEST_CASE("an orientation is found in either byte order, and what is damaged has none") {
  const std::string little("II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0", 22);
  const std::string big("MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x08\0\0", 22);
  const auto find = [](const std::string& block) {
    return find_orientation({reinterpret_cast<const std::uint8_t*>(block.data()), block.size()});
  };
  CHECK(find(little) == 6);
  CHECK(find(big) == 8);
  CHECK(find(std::string("Exif\0\0", 6) + little) == 6);
  for (std::size_t length = 0; length < 20; ++length) CHECK(find(little.substr(0, length)) == 1);
  std::string other = little;
  other[18] = 9;
  CHECK(find(other) == 1);
  other = little;
  other[4] = '\xff';  // the directory's place
  CHECK(find(other) == 1);
}

TEST_CASE("pictures stand upright for each of the eight orientations") {
  const Image stored{3, 2, 1, {1, 2, 3, 4, 5, 6}};
  const auto upright = [&](int orientation) { return stand_upright(stored, orientation); };
  CHECK(upright(1).pixels == stored.pixels);
  CHECK(upright(2).pixels == std::vector<std::uint8_t>{3, 2, 1, 6, 5, 4});
  CHECK(upright(3).pixels == std::vector<std::uint8_t>{6, 5, 4, 3, 2, 1});
  CHECK(upright(4).pixels == std::vector<std::uint8_t>{4, 5, 6, 1, 2, 3});
  CHECK(upright(5).pixels == std::vector<std::uint8_t>{1, 4, 2, 5, 3, 6});
  CHECK(upright(6).pixels == std::vector<std::uint8_t>{4, 1, 5, 2, 6, 3});
  CHECK(upright(7).pixels == std::vector<std::uint8_t>{6, 3, 5, 2, 4, 1});
  CHECK(upright(8).pixels == std::vector<std::uint8_t>{3, 6, 2, 5, 1, 4});
  CHECK(upright(6).size() == ImageSize{2, 3});
  CHECK(upright(4).size() == ImageSize{3, 2});
}
