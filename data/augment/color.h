// Colour operations on planes of values in [0, 255]. Semantics of torchvision's functional
// adjust_*, rgb_to_grayscale and solarize on float images. On one channel, saturation, hue and gray
// change nothing.
#pragma once

#include "mec/data/augment/planes.h"

namespace mec {

void adjust_brightness(Planes& image, float factor);  // factor·x, clamped
// Blend with the mean of the gray image: m + factor·(x − m), clamped.
void adjust_contrast(Planes& image, float factor);
// Blend with the gray image, pixel by pixel, clamped.
void adjust_saturation(Planes& image, float factor);

// Turns the hue by `shift` of a full turn, |shift| ≤ ½, through HSV.
void adjust_hue(Planes& image, float shift);

// Every channel becomes .2989 R + .587 G + .114 B.
void to_gray(Planes& image);

// Values at or above the threshold become 255 − x.
void solarize(Planes& image, float threshold);

}  // namespace mec
