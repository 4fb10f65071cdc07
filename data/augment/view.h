// The random view of self-supervised training: its settings, the parameters drawn for one view, and
// their application.
//
// Drawing and applying are separate, so that any device can make the pixels from the same
// parameters.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "mec/data/augment/resize.h"
#include "mec/data/normalization.h"
#include "mec/tensor/view_params.h"

namespace mec {

inline constexpr int kMaxViewSize =
    1 << 14;  // pixels on a side, of random views and of evaluation views

// One view's distribution; the defaults are the first view of the official MEC recipe
// (mec/loader.py).
struct ViewSettings {
  int size = 224;  // of the square output

  float scale_min = 0.2F;  // random resized crop: part of the area, and width/height
  float scale_max = 1.0F;
  float ratio_min = 3.0F / 4.0F;
  float ratio_max = 4.0F / 3.0F;

  float jitter_probability = 0.8F;  // colour jitter, in random order: factors from [1 − s, 1 + s]
  float brightness = 0.4F;
  float contrast = 0.4F;
  float saturation = 0.2F;
  float hue = 0.1F;  // shift from [−h, h] of a full turn, h ≤ ½

  float gray_probability = 0.2F;

  float blur_probability = 1.0F;
  float blur_sigma_min = 0.1F;
  float blur_sigma_max = 2.0F;
  int blur_kernel = 0;  // odd; 0 takes what reaches ±3σ

  float solarize_probability = 0.0F;
  float solarize_threshold = 128.0F;

  float flip_probability = 0.5F;
};

// The second view of the official recipe: rarely blurred, sometimes solarised.
ViewSettings official_second_view();

struct AugmentSettings {
  std::vector<ViewSettings> views{ViewSettings{}, official_second_view()};
};

// ValueError for a setting outside its range, with its name.
void validate(const ViewSettings& settings);

// Identifies a view, and is the counter of its random numbers. `sample` is the image's number in
// the data set.
struct ViewKey {
  std::uint64_t seed = 0;
  std::uint64_t sample = 0;
  std::uint64_t epoch = 0;
  std::uint32_t view = 0;
};

// The parameters of one view of an image of `size`. Every kind of draw has its own stream, so that
// switching one off leaves the others as they were. The crop is torchvision's
// RandomResizedCrop.get_params: ten tries, then the centre.
ViewParams draw_view(const ViewSettings& settings, ImageSize size, const ViewKey& key);

// Crop and resize, jitter, gray, blur, solarise, mirror, normalise, in that order, which is the
// official one. out (size.height,size.width,image_channels) f32; channels past the image's are 0.
// Pure: the same arguments, the same bits.
void apply_view(const Image& image, const ViewParams& params, ImageSize size, const Normalization& normalization,
                std::int64_t image_channels, std::span<float> out);

}  // namespace mec
