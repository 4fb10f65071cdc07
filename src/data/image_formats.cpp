#include "mec/data/image_formats.h"

#include <algorithm>
#include <cctype>

namespace mec {
namespace {

constexpr std::string_view kNever = "mec has no decoder for it; convert such files";

constexpr ImageFormat kFormats[] = {
    {"JPEG", ".jpg .jpeg", "stb_image", ""},
    {"PNG", ".png", "stb_image", ""},
    {"AVIF", ".avif .avifs", "", kNever},
    {"HEIF", ".heic .heif .hif", "", kNever},
    {"JPEG 2000", ".jp2 .j2k .j2c .jpc .jpf .jpx", "", kNever},
    {"JPEG XL", ".jxl", "", kNever},
    {"TGA", ".tga", "", kNever},
};

std::string lower(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

}  // namespace

std::span<const ImageFormat> image_formats() { return kFormats; }

const ImageFormat* find_image_format(const std::filesystem::path& file) {
  const std::string extension = lower(file.extension().string());
  if (extension.empty()) return nullptr;
  const auto* const found = std::ranges::find_if(kFormats, [&](const ImageFormat& format) {
    return (std::string(format.extensions) + ' ').find(extension + ' ') != std::string::npos;
  });
  return found == std::end(kFormats) ? nullptr : found;
}

bool reads_extension(const std::filesystem::path& file) {
  const ImageFormat* const format = find_image_format(file);
  return format && format->is_read();
}

std::string list_read_formats() {
  std::string names;
  for (const ImageFormat& format : kFormats) {
    if (format.is_read()) names.append(names.empty() ? "" : ", ").append(format.name);
  }
  return names;
}

}  // namespace mec
