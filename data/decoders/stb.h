// stb_image, made safe, for builds without libjpeg or libpng.
#pragma once

#include <vector>

#include "mec/data/decoders/decoder.h"

namespace mec {

// Decodes a JPEG or PNG file whose structure was checked. IoError with stb_image's reason. Also
// IoError where a part of the picture is missing: stb_image leaves its pixels unwritten, or reads
// zeros for the data. To detect that, `variant` is decoded too and compared: the file itself, or
// one that gives the same pixels unless data run out.
Image decode_with_stb(Bytes file, Bytes variant);

// Decodes a PNG file of 16-bit gray, (H,W).
std::vector<std::uint16_t> decode_wide_with_stb(Bytes file);

// zlib's format unpacked into at most `expected` bytes; its checksum is left to the caller.
std::vector<std::uint8_t> inflate_with_stb(Bytes packed, std::size_t expected);

}  // namespace mec
