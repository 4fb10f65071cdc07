// What augmentations work on: one plane of floats for each channel.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "mec/data/image.h"

namespace mec {

// Values lie in [0, 255], as in the file, and are not rounded between operations: each operation is
// torchvision's on a float image (times 255), hence within one gray level of its u8 form. PIL's own
// hue and blur are other approximations, and up to 13 levels away.
class Planes {
 public:
  Planes(int channels, ImageSize size)
      : channels_(channels),
        size_(size),
        values_(static_cast<std::size_t>(channels) * static_cast<std::size_t>(size.width) *
                static_cast<std::size_t>(size.height)) {}

  int channels() const { return channels_; }
  ImageSize size() const { return size_; }
  std::span<float> values() { return values_; }  // (C,H,W)
  std::span<const float> values() const { return values_; }
  std::span<float> plane(int c) { return std::span(values_).subspan(offset(c), area()); }  // (H,W)
  std::span<const float> plane(int c) const { return std::span(values_).subspan(offset(c), area()); }

 private:
  std::size_t area() const { return values_.size() / static_cast<std::size_t>(channels_); }
  std::size_t offset(int c) const { return static_cast<std::size_t>(c) * area(); }

  int channels_;
  ImageSize size_;
  std::vector<float> values_;
};

}  // namespace mec
