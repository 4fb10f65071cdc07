#include "mec/data/image.h"

#include "mec/tensor/error.h"

namespace mec {

Image with_channels(Image image, int channels) {
  check<ValueError>(channels == 1 || channels == 3, "with_channels: images have 1 or 3 channels, not ", channels);
  if (image.channels == channels) return image;
  const std::size_t count = image.pixels.size() / static_cast<std::size_t>(image.channels);
  std::vector<std::uint8_t> pixels(count * static_cast<std::size_t>(channels));
  for (std::size_t i = 0; i < count; ++i) {
    if (channels == 3) {
      pixels[3 * i] = pixels[3 * i + 1] = pixels[3 * i + 2] = image.pixels[i];
    } else {
      const std::uint8_t* rgb = &image.pixels[3 * i];
      // .299, .587 and .114 in 16-bit fixed point, rounded.
      pixels[i] = static_cast<std::uint8_t>((rgb[0] * 19595U + rgb[1] * 38470U + rgb[2] * 7471U + 0x8000U) >> 16);
    }
  }
  image.channels = channels;
  image.pixels = std::move(pixels);
  return image;
}

}  // namespace mec
