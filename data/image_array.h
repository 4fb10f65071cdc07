// Images of one size, one after another in memory that belongs to somebody else.
#pragma once

#include <cstdint>
#include <string>

#include "mec/data/image.h"

namespace mec {

struct ImageArray {
  const std::uint8_t* pixels = nullptr;  // (N,H,W,C)
  std::int64_t count = 0, height = 0, width = 0, channels = 0;

  ImageSize size() const { return {static_cast<int>(width), static_cast<int>(height)}; }
  Image image(std::int64_t i) const;  // a copy
};

// ShapeError, which begins with `op`, for more pixels than an image file may have. Of fewer, the
// number is known to fit. Both are above 0.
void check_pixels(std::int64_t height, std::int64_t width, const std::string& op);

// Under the name of `op`: ShapeError unless there are images, of 1 or 3 channels and of a size that
// image files may have; ValueError where their address is null.
void validate(const ImageArray& images, const char* op);

}  // namespace mec
