#include "mec/data/sheet.h"

#include <algorithm>

#include "mec/data/image_array.h"
#include "mec/tensor/error.h"

namespace mec {

namespace {

// Writes the picture into the square whose upper left corner is (top, left).
void place(const Image& picture, Image& sheet, int top, int left, int side) {
  const int factor = std::max(1, side / std::max(picture.width, picture.height));
  const int height = std::min(side, picture.height * factor), width = std::min(side, picture.width * factor);
  const int first_row = top + (side - height) / 2, first_column = left + (side - width) / 2;
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      const std::size_t from =
          static_cast<std::size_t>(y / factor * picture.width + x / factor) * static_cast<std::size_t>(picture.channels);
      const std::size_t to = (static_cast<std::size_t>(first_row + y) * static_cast<std::size_t>(sheet.width) +
                              static_cast<std::size_t>(first_column + x)) *
                             static_cast<std::size_t>(sheet.channels);
      for (std::size_t c = 0; c < static_cast<std::size_t>(sheet.channels); ++c)
        sheet.pixels[to + c] = picture.pixels[from + c];
    }
  }
}

}  // namespace

Image make_sheet(const std::vector<Image>& pictures, const SheetOptions& options) {
  const auto [columns, side, gap] = options;
  check<ValueError>(!pictures.empty() && columns > 0 && side > 0 && gap >= 0, "sheet: ", pictures.size(), " pictures in ",
                    columns, " columns of ", side, " pixels, ", gap, " between them");
  const auto count = static_cast<std::int64_t>(pictures.size()), cell = std::int64_t{side} + gap;
  const std::int64_t width = std::min<std::int64_t>(columns, count) * cell + gap,
                     height = (count + columns - 1) / columns * cell + gap;
  check_pixels(height, width, "sheet: ");
  const bool in_color = std::ranges::any_of(pictures, [](const Image& picture) { return picture.channels == 3; });
  Image sheet{.width = static_cast<int>(width), .height = static_cast<int>(height), .channels = in_color ? 3 : 1, .pixels = {}};
  sheet.pixels.assign(
      static_cast<std::size_t>(sheet.width) * static_cast<std::size_t>(sheet.height) * static_cast<std::size_t>(sheet.channels),
      255);
  for (int i = 0; i < static_cast<int>(count); ++i) {
    const Image picture = with_channels(pictures[static_cast<std::size_t>(i)], sheet.channels);
    place(picture, sheet, gap + i / columns * (side + gap), gap + i % columns * (side + gap), side);
  }
  return sheet;
}

}  // namespace mec
