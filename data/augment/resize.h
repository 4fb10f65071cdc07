// Cropping and antialiased bilinear resizing.
#pragma once

#include "mec/data/augment/planes.h"
#include "mec/tensor/view_params.h"

namespace mec {

// The crop, resized: torchvision's resized_crop(antialias=True) and PIL's BILINEAR. Each axis is
// filtered with a triangle, widened by the factor when shrinking; pixels outside the crop have no
// part. ValueError when the crop is empty or leaves the image.
Planes resized_crop(const Image& image, const CropBox& crop, ImageSize to);

// The part `window` of that result, without making the rest of it.
Planes resized_crop(const Image& image, const CropBox& crop, ImageSize to, const CropBox& window);

}  // namespace mec
