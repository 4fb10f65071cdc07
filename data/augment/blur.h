// Gaussian blur.
#pragma once

#include "mec/data/augment/planes.h"

namespace mec {

// The odd size that gaussian_blur() takes for kernel = 0: it reaches ±3σ, but no farther than
// reflection at the borders allows.
int blur_kernel_size(float sigma, ImageSize size);

// Separable convolution with exp(−x²/2σ²), normalised over an odd kernel, borders reflected without
// repeating the edge pixel: torchvision's gaussian_blur. Kernel 0 chooses a size by sigma.
// ValueError unless sigma > 0, the kernel is odd, and half of it is smaller than the image.
void gaussian_blur(Planes& image, float sigma, int kernel = 0);

}  // namespace mec
