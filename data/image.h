// A decoded picture in host memory.
#pragma once

#include <cstdint>
#include <vector>

namespace mec {

struct ImageSize {
  int width = 0;
  int height = 0;
  bool operator==(const ImageSize&) const = default;
};

struct Image {
  int width = 0;
  int height = 0;
  int channels = 0;                  // 1 (gray) or 3 (RGB)
  std::vector<std::uint8_t> pixels;  // (H,W,C)

  ImageSize size() const { return {width, height}; }
};

// The image with 1 or 3 channels: gray is repeated, RGB becomes its ITU-R 601 luma, as in PIL.
// ValueError for another number.
Image with_channels(Image image, int channels);

}  // namespace mec
