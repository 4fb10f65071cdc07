// The kinds of image files by their names, and which of them this build reads.
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <string_view>

namespace mec {

struct ImageFormat {
  std::string_view name;        // "JPEG"
  std::string_view extensions;  // ".jpg .jpeg", in lower case
  std::string_view decoder;     // what reads it in this build; empty where nothing does
  std::string_view note;        // what that decoder leaves out, or what would read the format

  bool is_read() const { return !decoder.empty(); }
};

// Every format that mec knows by name, those that no build reads among them: a folder's reader counts what it leaves
// out.
std::span<const ImageFormat> image_formats();

// The format that a file's extension claims, in either case of letters; nullptr for files that are no images.
const ImageFormat* find_image_format(const std::filesystem::path& file);

// Does this build read files with this file's extension?
bool reads_extension(const std::filesystem::path& file);

// "JPEG, PNG, BMP": the formats that this build reads.
std::string list_read_formats();

}  // namespace mec
