// Reads whole files, unpacking gzip; and compresses bytes, to measure how small they become.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <vector>

namespace mec {

// The content of the file, unpacked when its first bytes are gzip's, whatever its name. IoError
// when the data are truncated or damaged (the checksum is compared), unpack to more than limits.h
// allows, or when gzip is met in a build without zlib. MemoryError where memory does not suffice.
std::vector<std::uint8_t> read_maybe_gzip(const std::filesystem::path& path);

// The bytes in zlib's format at its highest level. IoError in a build without zlib.
std::vector<std::uint8_t> compress_bytes(std::span<const std::uint8_t> bytes);

}  // namespace mec
