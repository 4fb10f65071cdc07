// The decoders of image files, and helpers that they share. Each decoder takes a whole file that
// begins with its format's signature and throws IoError with the reason alone: decode.cpp puts the
// file's name before it.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "mec/data/image.h"

namespace mec {

using Bytes = std::span<const std::uint8_t>;

struct DecodedImage {
  Image image;          // 1 channel where the file is gray, else 3
  int orientation = 1;  // as EXIF counts, 1 to 8; 1 where the file says nothing
};

DecodedImage decode_bmp(Bytes file);
DecodedImage decode_gif(Bytes file);
DecodedImage decode_jpeg(Bytes file);
DecodedImage decode_png(Bytes file);
DecodedImage decode_pnm(Bytes file);
DecodedImage decode_tiff(Bytes file);
DecodedImage decode_webp(Bytes file);

// IoError for an image without pixels and for one beyond limits::kPixels.
void check_image_size(std::uint64_t width, std::uint64_t height);

// IoError where a picture's samples are more than a file of this size may become (limits.h).
void check_unpacked(Bytes file, std::uint64_t bytes);

// A black image: pixels that a decoder skips are not uninitialised memory. IoError for sizes that
// the file may not ask for, by both rules.
Image make_image(Bytes file, std::uint64_t width, std::uint64_t height, int channels);

// Bytes [at, at + count) of a file. IoError, which says that the file is truncated, where it is
// shorter.
Bytes part_of(Bytes file, std::uint64_t at, std::uint64_t count);
bool begins_with(Bytes bytes, std::string_view text);

std::uint32_t little_16(Bytes bytes, std::size_t at);
std::uint32_t little_32(Bytes bytes, std::size_t at);
std::uint32_t big_16(Bytes bytes, std::size_t at);
std::uint32_t big_32(Bytes bytes, std::size_t at);

// CMYK, where 0 is no ink, to RGB, rounded as in Pillow.
void cmyk_to_rgb(const std::uint8_t* cmyk, std::uint8_t* rgb);

// Gray of more than 8 bits: Pillow clips it at 255, and so does torchvision's ImageFolder, which
// uses Pillow.
template <class T> std::uint8_t clip_to_8_bits(T value) {
  return value >= T{255} ? std::uint8_t{255}
         : value > T{0}  ? static_cast<std::uint8_t>(value)
                         : std::uint8_t{0};
}

}  // namespace mec
