// Image files to pixels.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>

#include "mec/data/image.h"

namespace mec {

struct DecodeOptions {
  int channels = 3;               // 1 or 3
  bool exif_orientation = false;  // stand upright as the camera noted, instead of as stored
};

// Decodes an image file of any format that this build reads (image_formats.h), recognised by its
// content, not its name. Pixels are those of Pillow's Image.open(file).convert("RGB"), as in
// torchvision's ImageFolder, or of convert("L"): an alpha channel is dropped, 16 bits of a colour
// become 8, but gray of 16 bits is clipped at 255. Of an animation or a file of several pages, the
// first picture is read. IoError, which names `name` and gives the reason, for another format,
// damaged data and a file that ends before its picture does.
Image decode_image(std::span<const std::uint8_t> file, const DecodeOptions& options,
                   const std::string& name);

Image read_image(const std::filesystem::path& path, const DecodeOptions& options);

}  // namespace mec
