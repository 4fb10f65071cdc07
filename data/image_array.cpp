#include "mec/data/image_array.h"

#include "mec/tensor/error.h"
#include "mec/tensor/io/limits.h"

namespace mec {

Image ImageArray::image(std::int64_t i) const {
  const std::int64_t bytes = height * width * channels;
  const std::uint8_t* begin = pixels + i * bytes;
  return {.width = static_cast<int>(width),
          .height = static_cast<int>(height),
          .channels = static_cast<int>(channels),
          .pixels = {begin, begin + bytes}};
}

void check_pixels(std::int64_t height, std::int64_t width, const std::string& op) {
  constexpr auto kMost = static_cast<std::int64_t>(limits::kPixels);
  check<ShapeError>(height <= kMost / width, op, "an image has at most ", kMost, " pixels, but these are ", width, "x", height);
}

void validate(const ImageArray& images, const char* op) {
  const auto [pixels, count, height, width, channels] = images;
  check<ShapeError>(count > 0 && height > 0 && width > 0, op, ": images are (N,H,W,C) with at least one pixel, but are (",
                    count, ",", height, ",", width, ",", channels, ")");
  check<ShapeError>(channels == 1 || channels == 3, op, ": images (N,H,W,C) have 1 or 3 channels, but are (", count, ",",
                    height, ",", width, ",", channels, ")");
  check_pixels(height, width, concat(op, ": "));
  check<ValueError>(pixels != nullptr, op, ": the address of the pixels is null");
}

}  // namespace mec
