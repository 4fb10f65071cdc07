#include "mec/eval/run_report/tiles.h"

#include "mec/data/augment/view_image.h"
#include "mec/data/encode_image.h"
#include "mec/eval/classes.h"

namespace mec::report {

namespace {

constexpr int kJpegQuality = 85;

}  // namespace

std::string base64(const std::string& bytes) {
  constexpr const char* kLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::uint32_t three = 0;
    for (std::size_t j = 0; j < 3; ++j)
      three = three << 8 | (i + j < bytes.size() ? static_cast<unsigned char>(bytes[i + j]) : 0U);
    for (std::size_t j = 0; j < 4; ++j) text += i + j > bytes.size() ? '=' : kLetters[three >> (18 - 6 * j) & 63];
  }
  return text;
}

std::string picture_uri(const Image& image) {
  const std::string png = encode_png(image), jpeg = encode_jpeg(image, kJpegQuality);
  return png.size() <= jpeg.size() ? "data:image/png;base64," + base64(png) : "data:image/jpeg;base64," + base64(jpeg);
}

Tile make_tile(const Dataset& dataset, std::int64_t i, int side) {
  Tile tile{.picture = {}, .name = dataset.name(i), .class_name = class_of(dataset, i)};
  try {
    tile.picture = picture_uri(thumbnail(dataset.read(i), side));
  } catch (const IoError&) {  // its name says which
  }
  return tile;
}

}  // namespace mec::report
