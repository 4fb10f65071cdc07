// How a camera was held: EXIF's orientation, 1 to 8.
#pragma once

#include "mec/data/decoders/decoder.h"

namespace mec {

// The orientation in a block of EXIF data (a TIFF directory, also with "Exif\0\0" before it); 1
// where it holds none.
int find_orientation(Bytes exif);

// The image turned and mirrored so that it stands upright.
Image stand_upright(Image image, int orientation);

}  // namespace mec
