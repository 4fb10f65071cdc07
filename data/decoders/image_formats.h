// The kinds of image files, and which of them this build reads.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

namespace mec {

struct DecodedImage;

struct ImageFormat {
  std::string_view name;        // "JPEG"
  std::string_view extensions;  // ".jpg .jpeg", in lower case
  std::string_view decoder;     // what reads it in this build; empty where nothing does
  std::string_view note;        // that decoder's limits, or what a build needs to read the format
  bool (*recognizes)(std::span<const std::uint8_t> file);  // by its first bytes
  DecodedImage (*decode)(
      std::span<const std::uint8_t> file);  // decoders/decoder.h; null where nothing does

  bool is_read() const { return decode != nullptr; }
};

// Every format that mec knows by name, including those that no build reads: a folder of images
// reports how many of their files it passed over.
std::span<const ImageFormat> image_formats();

// The format that a file's extension claims, in either case of letters; nullptr for files that are
// no images.
const ImageFormat* find_image_format(const std::filesystem::path& file);

// Does this build read files with this file's extension?
bool reads_extension(const std::filesystem::path& file);

// The format that a file's first bytes show; nullptr for another kind of file.
const ImageFormat* recognize_image(std::span<const std::uint8_t> file);

// "JPEG, PNG, BMP": the formats that this build reads.
std::string list_read_formats();

}  // namespace mec
