// Gaussian blur.
#pragma once

#include "mec/data/augment/planes.h"

namespace mec {

// Odd size of the kernel that blur() takes for kernel = 0: what reaches ±3σ, no wider than
// reflection allows.
int blur_kernel_size(float sigma, ImageSize size);

// Separable convolution with exp(−x²/2σ²), normalised over an odd kernel, borders reflected without
// repeating the edge pixel: torchvision's gaussian_blur. Kernel 0 chooses a size by sigma.
// ValueError unless sigma > 0 and the kernel is odd and reaches less far than the image.
void gaussian_blur(Planes& image, float sigma, int kernel = 0);

}  // namespace mec
