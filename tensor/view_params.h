// The random parameters of a view (an augmented image). The host draws them; the loader's workers
// or a kernel on the device make the pixels from them.
#pragma once

#include <array>
#include <cstdint>

namespace mec {

struct CropBox {
  std::int32_t top = 0;
  std::int32_t left = 0;
  std::int32_t height = 0;
  std::int32_t width = 0;
  bool operator==(const CropBox&) const = default;
};

enum class Jitter : std::uint8_t { brightness, contrast, saturation, hue };

// The parameters of one view of one image, in the order in which its steps are done. Plain data:
// kernels read arrays of these as they are.
struct ViewParams {
  CropBox crop;                // the part of the image that is cut out,
  std::int32_t to_height = 0;  // resized to this size;
  std::int32_t to_width = 0;
  std::int32_t window_top = 0;  // the view is the part of the result that begins here
  std::int32_t window_left = 0;
  std::array<Jitter, 4> jitter_order{Jitter::brightness, Jitter::contrast, Jitter::saturation, Jitter::hue};
  // Indexed by Jitter. The defaults change nothing.
  std::array<float, 4> jitter{1.0F, 1.0F, 1.0F, 0.0F};
  bool gray = false;
  float blur_sigma = 0.0F;  // 0: no blur
  std::int32_t blur_radius = 0;
  bool solarize = false;
  bool flip = false;
  float solarize_threshold = 0.0F;
};

}  // namespace mec
