// Several pictures in one.
#pragma once

#include <vector>

#include "mec/data/image.h"

namespace mec {

struct SheetOptions {
  int columns = 1;
  int side = 64;  // of the square that each picture has for itself
  int gap = 0;    // white pixels around each square
};

// The pictures row by row. Each is repeated by the largest whole factor that fits its square, and
// stands in its middle; a larger one is cut off. In color where one of them is. ValueError without
// any, ShapeError for more pixels than an image may have.
Image make_sheet(const std::vector<Image>& pictures, const SheetOptions& options);

}  // namespace mec
