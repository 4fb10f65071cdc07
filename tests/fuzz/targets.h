// The readers of what comes from outside, each as a function of bytes: libfuzzer.cpp feeds them
// with made-up bytes, replay.cpp with those that are kept.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace mec::fuzz {

using Bytes = std::span<const std::uint8_t>;

struct Target {
  std::string_view name;
  void (*read)(Bytes bytes);
};
std::span<const Target> targets();

// What the reader did instead of answering; empty where it gave a value or an mec::Error. Crashes
// and reports of sanitizers end the process.
std::string finding_of(const Target& target, Bytes bytes);

// For a reader that wants a path: that of a file with these bytes, in a folder of this process. The
// name may have a folder in it. A later file of that name replaces it.
std::filesystem::path put(const std::string& name, Bytes bytes);

// For a reader of two files: the first two bytes, little-endian, are the length of the first one.
std::pair<Bytes, Bytes> split(Bytes bytes);

// One function for each target.
void bmp(Bytes bytes);
void checkpoint(Bytes bytes);
void cifar(Bytes bytes);
void exif(Bytes bytes);
void gif(Bytes bytes);
void gzip(Bytes bytes);
void idx(Bytes bytes);
void jpeg(Bytes bytes);
void jpeg_stb(Bytes bytes);
void npy(Bytes bytes);
void plans(Bytes bytes);
void png(Bytes bytes);
void png_stb(Bytes bytes);
void pnm(Bytes bytes);
void safetensors(Bytes bytes);
void settings(Bytes bytes);
void tiff(Bytes bytes);
void webp(Bytes bytes);
void weights(Bytes bytes);

}  // namespace mec::fuzz
