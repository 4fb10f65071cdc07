// Whole files, unpacked when they are gzip.
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

namespace mec {

// The content of the file, unpacked when its first bytes are gzip's, whatever its name. IoError when the data are
// truncated or damaged (the checksum is compared), or when gzip is met in a build without zlib.
std::vector<std::uint8_t> read_maybe_gzip(const std::filesystem::path& path);

}  // namespace mec
