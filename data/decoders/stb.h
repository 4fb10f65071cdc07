// stb_image, made safe: what builds without libjpeg or libpng read JPEG or PNG with.
#pragma once

#include <vector>

#include "mec/data/decoders/decoder.h"

namespace mec {

// A JPEG or PNG file whose structure was checked. IoError with stb_image's reason, and where a part
// of the picture comes from nowhere: stb_image leaves memory unwritten that damaged files leave
// out, and reads zeros where data run out. `variant` is the file itself, or one that is decoded to
// the same pixels unless data run out.
Image decode_with_stb(Bytes file, Bytes variant);

// A PNG file's gray of 16 bits, (H,W).
std::vector<std::uint16_t> decode_wide_with_stb(Bytes file);

// zlib's format unpacked into at most `expected` bytes; its checksum is left to the caller.
std::vector<std::uint8_t> inflate_with_stb(Bytes packed, std::size_t expected);

}  // namespace mec
