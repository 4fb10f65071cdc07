// GIF by giflib: the first picture, placed on the file's logical screen.
#include <gif_lib.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "mec/data/decoders/decoder.h"
#include "mec/tensor/error.h"

namespace mec {
namespace {

struct Close {
  void operator()(GifFileType* gif) const { DGifCloseFile(gif, nullptr); }
};
using Gif = std::unique_ptr<GifFileType, Close>;

std::string reason_of(int code) {
  const char* text = GifErrorString(code);
  return text ? text : concat("giflib's error ", code);
}
void check_gif(bool ok, const Gif& gif) {
  if (!ok) throw IoError(reason_of(gif->Error));
}

Gif open(Bytes& rest) {
  const auto read = [](GifFileType* gif, GifByteType* to, int count) {
    Bytes& bytes = *static_cast<Bytes*>(gif->UserData);
    const std::size_t given = std::min(bytes.size(), static_cast<std::size_t>(count));
    std::copy_n(bytes.begin(), given, to);
    bytes = bytes.subspan(given);
    return static_cast<int>(given);
  };
  int code = 0;
  Gif gif(DGifOpen(&rest, read, &code));
  check<IoError>(gif != nullptr, reason_of(code));
  return gif;
}

// Advances to the first picture. Returns the colour index of the screen outside the picture: the
// one that its graphic control block declares transparent, else 0.
std::uint8_t find_picture(const Gif& gif) {
  std::uint8_t outside = 0;
  GifRecordType record = UNDEFINED_RECORD_TYPE;
  while (true) {
    check_gif(DGifGetRecordType(gif.get(), &record) == GIF_OK, gif);
    check<IoError>(record != TERMINATE_RECORD_TYPE, "the GIF file has no picture");
    if (record == IMAGE_DESC_RECORD_TYPE) break;
    int code = 0;
    GifByteType* block = nullptr;  // its length in the first byte, then as many bytes
    check_gif(DGifGetExtension(gif.get(), &code, &block) == GIF_OK, gif);
    if (code == GRAPHICS_EXT_FUNC_CODE && block && block[0] >= 4 && (block[1] & 1) != 0)
      outside = block[4];
    while (block) check_gif(DGifGetExtensionNext(gif.get(), &block) == GIF_OK, gif);
  }
  check_gif(DGifGetImageDesc(gif.get()) == GIF_OK, gif);
  return outside;
}

// Rows of an interlaced picture come in four passes.
std::vector<int> row_order(const GifImageDesc& picture) {
  std::vector<int> order;
  constexpr int kStart[] = {0, 4, 2, 1};
  constexpr int kStep[] = {8, 8, 4, 2};
  if (!picture.Interlace) {
    for (int y = 0; y < picture.Height; ++y) order.push_back(y);
  } else {
    for (int pass = 0; pass < 4; ++pass) {
      for (int y = kStart[pass]; y < picture.Height; y += kStep[pass]) order.push_back(y);
    }
  }
  return order;
}

// Indices beyond the colour table are black; in a file without a table they are gray levels.
Image with_colors(Bytes file, const Image& indices, const ColorMapObject* map) {
  if (!map) return indices;
  Image image = make_image(file, static_cast<std::uint64_t>(indices.width), static_cast<std::uint64_t>(indices.height), 3);
  std::uint8_t* to = image.pixels.data();
  for (const std::uint8_t index : indices.pixels) {
    const GifColorType color = index < map->ColorCount ? map->Colors[index] : GifColorType{0, 0, 0};
    *to++ = color.Red;
    *to++ = color.Green;
    *to++ = color.Blue;
  }
  return image;
}

}  // namespace

DecodedImage decode_gif(Bytes file) {
  Bytes rest = file;
  const Gif gif = open(rest);
  const std::uint8_t outside = find_picture(gif);
  const GifImageDesc& picture = gif->Image;
  check_image_size(static_cast<std::uint64_t>(picture.Width),
                   static_cast<std::uint64_t>(picture.Height));
  // A picture that reaches beyond the screen widens it.
  const int width = std::max(gif->SWidth, picture.Left + picture.Width);
  const int height = std::max(gif->SHeight, picture.Top + picture.Height);
  Image indices = make_image(file, static_cast<std::uint64_t>(width), static_cast<std::uint64_t>(height), 1);
  std::fill(indices.pixels.begin(), indices.pixels.end(), outside);
  for (const int y : row_order(picture)) {
    const auto at = static_cast<std::size_t>(picture.Top + y) * static_cast<std::size_t>(width);
    check_gif(DGifGetLine(gif.get(), &indices.pixels[at + static_cast<std::size_t>(picture.Left)],
                          picture.Width) == GIF_OK,
              gif);
  }
  return {with_colors(file, indices, picture.ColorMap ? picture.ColorMap : gif->SColorMap), 1};
}

}  // namespace mec
