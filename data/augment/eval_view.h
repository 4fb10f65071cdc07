// The fixed view for evaluation.
#pragma once

#include <cstdint>
#include <span>

#include "mec/data/image.h"
#include "mec/data/normalization.h"
#include "mec/tensor/view_params.h"

namespace mec {

struct EvalViewSettings {
  int size = 224;    // of the square centre crop
  int resize = 256;  // of the shorter side before it, at least `size`

  // Settings for a data set whose images all have size `image` ({0, 0} when they differ). Images
  // that already are size×size are taken as they are; others are resized to 8/7 of `size`, as in
  // 256 for 224. ValueError unless 0 < size ≤ kMaxViewSize.
  static EvalViewSettings for_images(ImageSize image, std::int64_t size);
};

// ValueError unless 0 < size ≤ kMaxViewSize, and size ≤ resize.
void validate(const EvalViewSettings& settings);

// The parameters of torchvision's Resize(resize, antialias=True) and CenterCrop(size). ValueError
// when the image has no pixels, or its resized longer side overflows 32 bits.
ViewParams eval_view(const EvalViewSettings& settings, ImageSize image);

// That view, normalised. out (size,size,image_channels) f32.
void apply_eval_view(const Image& image, const EvalViewSettings& settings, const Normalization& normalization,
                     std::int64_t image_channels, std::span<float> out);

}  // namespace mec
