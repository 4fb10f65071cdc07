// JPEG and PNG files to pixels.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>

#include "mec/data/image.h"

namespace mec {

// Decodes a JPEG or PNG (by content, not by name) into 1 or 3 channels; an alpha channel is dropped, 16 bits become 8,
// and an EXIF orientation is ignored. IoError, which names `name`, for another format, damaged data and a file that
// ends before its picture does.
Image decode_image(std::span<const std::uint8_t> file, int channels, const std::string& name);

Image read_image(const std::filesystem::path& path, int channels);

}  // namespace mec
