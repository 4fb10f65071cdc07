// The last step of every view: mirror, normalise, and write NHWC with the backend's channels.
#pragma once

#include <cstdint>
#include <span>

#include "mec/data/augment/planes.h"
#include "mec/data/normalization.h"

namespace mec {

struct FinishArgs {
  bool flip = false;                // mirror left and right
  // Channels written, from Backend::image_channels(); those past the image's are 0.
  std::int64_t image_channels = 0;
};

// out (H,W,image_channels) = (x/255 − mean)/std. ShapeError when `out` has another size, ValueError
// when the normalisation is for another number of channels.
void finish_view(const Planes& image, const Normalization& normalization, const FinishArgs& args, std::span<float> out);

}  // namespace mec
