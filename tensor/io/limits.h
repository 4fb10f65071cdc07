// What a file may ask for, whatever it says of itself: sizes are compared with these before memory
// is taken. All numbers stand here, each with its reason; tests/fuzz holds the readers to them.
#pragma once

#include <algorithm>
#include <cstdint>

namespace mec::limits {

// Of an image: Pillow's default, 16384 x 10923. In colour these are 512 MiB.
inline constexpr std::uint64_t kPixels = 178'956'970;
// A file of any size may become so much: a picture of 22 million pixels in colour, a data set of
// 85,598 images of MNIST's size. Small files that claim more are bombs, or blank.
inline constexpr std::uint64_t kUnpackedAnyway = std::uint64_t{64} << 20;
// Beyond that, so many times the file. Deflate packs at most 1032 to 1, so a PNG of one colour
// passes; photographs stay below 100 to 1 in any format.
inline constexpr std::uint64_t kPixelRatio = 1100;
// Data sets that are packed with gzip: MNIST takes 5 to 1, blank images 1000 to 1.
inline constexpr std::uint64_t kGzipRatio = 250;
// JPEG: a progressive file has some 10 scans; each passes over the whole picture, however short.
inline constexpr int kJpegScans = 1000;
// The header of a safetensors file: the reference implementation's limit.
inline constexpr std::uint64_t kSafetensorsHeader = 100'000'000;
// The header of an npy file: that of an array of six dimensions has some 100 bytes.
inline constexpr std::uint64_t kNpyHeader = 1 << 20;
// Objects and lists within each other in a JSON text: ours have four. Some functions of the library
// go down by recursion.
inline constexpr int kJsonDepth = 100;
// A file of settings: those of a run with 100 views have 38 kB and 1,715 dots. In a key each dot
// opens a table within a table, which the library destroys by recursion.
inline constexpr std::uint64_t kSettings = 1 << 20;
inline constexpr std::int64_t kSettingsDots = 5000;

// The bytes that a file of so many may become.
constexpr std::uint64_t unpacked(std::uint64_t file_bytes, std::uint64_t ratio) {
  return std::max(kUnpackedAnyway, ratio * file_bytes);
}

}  // namespace mec::limits
