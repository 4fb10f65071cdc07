#include "mec/data/decoders/decoder.h"

#include <algorithm>
#include <limits>

#include "mec/tensor/error.h"
#include "mec/tensor/io/limits.h"

namespace mec {

void check_image_size(std::uint64_t width, std::uint64_t height) {
  check<IoError>(width > 0 && height > 0, "the image is ", width, "x", height,
                 ": it has no pixels");
  constexpr std::uint64_t kMaxSide = std::numeric_limits<int>::max();
  check<IoError>(width <= kMaxSide && height <= kMaxSide && width <= limits::kPixels / height, "the image is ", width, "x",
                 height, ", but at most ", limits::kPixels, " pixels are read; make it smaller, or leave it out");
}

void check_unpacked(Bytes file, std::uint64_t bytes) {
  const std::uint64_t most = limits::unpacked(file.size(), limits::kPixelRatio);
  check<IoError>(bytes <= most, "its picture takes ", bytes, " bytes, but a file of ", file.size(), " bytes may hold at most ",
                 most);
}

Image make_image(Bytes file, std::uint64_t width, std::uint64_t height, int channels) {
  check_image_size(width, height);
  check_unpacked(file, width * height * static_cast<std::uint64_t>(channels));
  Image image{static_cast<int>(width), static_cast<int>(height), channels, {}};
  image.pixels.resize(width * height * static_cast<std::uint64_t>(channels));
  return image;
}

Bytes part_of(Bytes file, std::uint64_t at, std::uint64_t count) {
  check<IoError>(at <= file.size() && count <= file.size() - at, "the file is truncated: it has ",
                 file.size(), " bytes, but its picture goes on");
  return file.subspan(at, count);
}

bool begins_with(Bytes bytes, std::string_view text) {
  return bytes.size() >= text.size() &&
         std::equal(text.begin(), text.end(), bytes.begin(),
                    [](char a, std::uint8_t b) { return static_cast<std::uint8_t>(a) == b; });
}

std::uint32_t little_16(Bytes bytes, std::size_t at) {
  const Bytes b = part_of(bytes, at, 2);
  return std::uint32_t{b[0]} | std::uint32_t{b[1]} << 8;
}
std::uint32_t little_32(Bytes bytes, std::size_t at) {
  return little_16(bytes, at) | little_16(bytes, at + 2) << 16;
}
std::uint32_t big_16(Bytes bytes, std::size_t at) {
  const Bytes b = part_of(bytes, at, 2);
  return std::uint32_t{b[0]} << 8 | std::uint32_t{b[1]};
}
std::uint32_t big_32(Bytes bytes, std::size_t at) {
  return big_16(bytes, at) << 16 | big_16(bytes, at + 2);
}

void cmyk_to_rgb(const std::uint8_t* cmyk, std::uint8_t* rgb) {
  const int light = 255 - cmyk[3];
  for (int i = 0; i < 3; ++i) {
    const int product = cmyk[i] * light + 128;
    rgb[i] =
        static_cast<std::uint8_t>(std::clamp(light - (((product >> 8) + product) >> 8), 0, 255));
  }
}

}  // namespace mec
