#include "mec/data/decoders/exif.h"

#include <algorithm>

namespace mec {

int find_orientation(Bytes exif) {
  constexpr std::string_view kPrefix("Exif\0\0", 6);
  while (begins_with(exif, kPrefix)) exif = exif.subspan(kPrefix.size());
  const bool little = begins_with(exif, "II");
  if (exif.size() < 14 || !(little || begins_with(exif, "MM"))) return 1;
  const auto word = [&](std::size_t at) { return little ? little_16(exif, at) : big_16(exif, at); };
  const std::uint64_t directory = little ? little_32(exif, 4) : big_32(exif, 4);
  if (directory > exif.size() - 2) return 1;
  const std::size_t entries =
      std::min<std::size_t>(word(directory), (exif.size() - directory - 2) / 12);
  for (std::size_t i = 0; i < entries; ++i) {
    const std::size_t entry = directory + 2 + 12 * i;
    constexpr std::uint32_t kOrientation = 0x0112;
    if (word(entry) != kOrientation) continue;
    const std::uint32_t value = word(entry + 8);
    return value >= 1 && value <= 8 ? static_cast<int>(value) : 1;
  }
  return 1;
}

// Each of the eight orientations exchanges x and y or does not, and then mirrors neither axis, one
// or both.
Image stand_upright(Image image, int orientation) {
  const bool exchange = orientation >= 5;
  const bool mirror_x =
      orientation == 2 || orientation == 3 || orientation == 6 || orientation == 7;
  const bool mirror_y =
      orientation == 3 || orientation == 4 || orientation == 7 || orientation == 8;
  if (!exchange && !mirror_x && !mirror_y) return image;
  const int width = exchange ? image.height : image.width;
  const int height = exchange ? image.width : image.height;
  Image upright{width, height, image.channels, std::vector<std::uint8_t>(image.pixels.size())};
  const auto bytes = static_cast<std::size_t>(image.channels);
  std::uint8_t* to = upright.pixels.data();
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      const int u = mirror_x ? width - 1 - x : x;
      const int v = mirror_y ? height - 1 - y : y;
      const auto from_x = static_cast<std::size_t>(exchange ? v : u);
      const auto from_y = static_cast<std::size_t>(exchange ? u : v);
      to = std::copy_n(
          &image.pixels[(from_y * static_cast<std::size_t>(image.width) + from_x) * bytes], bytes,
          to);
    }
  }
  return upright;
}

}  // namespace mec
