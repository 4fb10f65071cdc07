// Pixels to the bytes of an image file.
#pragma once

#include <string>

#include "mec/data/image.h"

namespace mec {

// ValueError for an image without pixels.
std::string encode_png(const Image& image);
std::string encode_jpeg(const Image& image, int quality);  // quality: from 1 to 100

}  // namespace mec
