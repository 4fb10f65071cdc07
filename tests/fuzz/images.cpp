// Decoders of image files. A decoder takes files that begin with its format's signature, so others
// are left out.
#include <stdexcept>

#include "data/fixtures.h"
#include "fuzz/targets.h"
#include "mec/data/decoders/decoder.h"
#include "mec/data/decoders/exif.h"
#include "mec/data/decoders/image_formats.h"

namespace mec {

// jpeg_stb.cpp and png_stb.cpp, which this build may have beside those of libjpeg and libpng:
// tests/CMakeLists.txt compiles them under these names.
DecodedImage decode_jpeg_with_stb(Bytes file);
DecodedImage decode_png_with_stb(Bytes file);

namespace fuzz {
namespace {

using Decode = DecodedImage (*)(Bytes);

// Decodes with `decode`, or else with the build's decoder of the format, and looks at the image.
void decode_as(const char* extension, Bytes bytes, Decode decode = nullptr) {
  const ImageFormat* const format = find_image_format(extension);
  if (!decode) decode = format->decode;
  if (!decode || recognize_image(bytes) != format) return;
  const DecodedImage decoded = decode(bytes);
  const Image& image = decoded.image;
  const auto width = static_cast<std::uint64_t>(image.width), height = static_cast<std::uint64_t>(image.height);
  const bool whole = image.width > 0 && image.height > 0 && (image.channels == 1 || image.channels == 3) &&
                     image.pixels.size() == width * height * static_cast<std::uint64_t>(image.channels);
  if (!whole) throw std::logic_error("the image's sizes do not fit its pixels");
  if (decoded.orientation < 1 || decoded.orientation > 8) throw std::logic_error("no such orientation");
  stand_upright(image, decoded.orientation);
}

// The file with each chunk's checksum put right: changed bytes would not get past it.
std::vector<std::uint8_t> with_checksums(Bytes png) {
  std::vector<std::uint8_t> file(png.begin(), png.end());
  for (std::size_t at = 8; at + 12 <= file.size();) {
    const std::uint64_t length = big_32(file, at);
    if (length > file.size() - at - 12) break;
    const std::string_view typed(reinterpret_cast<const char*>(&file[at + 4]), 4 + length);
    const std::string checksum = test::big_endian(test::crc32(typed));
    std::copy(checksum.begin(), checksum.end(), file.begin() + static_cast<std::ptrdiff_t>(at + 8 + length));
    at += 12 + length;
  }
  return file;
}

}  // namespace

void bmp(Bytes bytes) { decode_as("x.bmp", bytes); }
void gif(Bytes bytes) { decode_as("x.gif", bytes); }
void jpeg(Bytes bytes) { decode_as("x.jpg", bytes); }
void jpeg_stb(Bytes bytes) { decode_as("x.jpg", bytes, decode_jpeg_with_stb); }
void png(Bytes bytes) { decode_as("x.png", with_checksums(bytes)); }
void png_stb(Bytes bytes) { decode_as("x.png", with_checksums(bytes), decode_png_with_stb); }
void pnm(Bytes bytes) { decode_as("x.pnm", bytes); }
void tiff(Bytes bytes) { decode_as("x.tiff", bytes); }
void webp(Bytes bytes) { decode_as("x.webp", bytes); }

void exif(Bytes bytes) {
  const int orientation = find_orientation(bytes);
  if (orientation < 1 || orientation > 8) throw std::logic_error("no such orientation");
}

}  // namespace fuzz
}  // namespace mec
