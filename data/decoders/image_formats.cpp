#include "mec/data/decoders/image_formats.h"

#include <algorithm>
#include <cctype>

#include "mec/data/decoders/decoder.h"
#include "mec/tensor/text.h"

namespace mec {
namespace {

template <char... bytes> bool begins(Bytes file) {
  constexpr char kSignature[] = {bytes...};
  return begins_with(file, {kSignature, sizeof kSignature});
}
bool is_gif(Bytes file) { return begins_with(file, "GIF87a") || begins_with(file, "GIF89a"); }
bool is_webp(Bytes file) {
  return begins_with(file, "RIFF") && file.size() >= 12 && begins_with(file.subspan(8), "WEBP");
}
bool is_tiff(Bytes file) {
  return begins<'I', 'I', 42, 0>(file) || begins<'M', 'M', 0, 42>(file) ||
         begins<'I', 'I', 43, 0>(file) || begins<'M', 'M', 0, 43>(file);
}
bool is_pnm(Bytes file) {
  return file.size() >= 3 && file[0] == 'P' && file[1] >= '1' && file[1] <= '6' &&
         (std::isspace(file[2]) != 0 || file[2] == '#');
}
// Formats in MPEG-4's container name their brand after the first box's length and type.
bool has_brand(Bytes file, std::initializer_list<std::string_view> brands) {
  return file.size() >= 12 && begins_with(file.subspan(4), "ftyp") &&
         std::ranges::any_of(
             brands, [&](std::string_view brand) { return begins_with(file.subspan(8), brand); });
}
bool is_avif(Bytes file) { return has_brand(file, {"avif", "avis"}); }
bool is_heif(Bytes file) {
  return has_brand(file, {"heic", "heix", "heim", "heis", "hevc", "mif1", "msf1"});
}
bool is_jpeg_2000(Bytes file) {
  return begins<'\xff', '\x4f', '\xff', '\x51'>(file) ||
         begins<0, 0, 0, 12, 'j', 'P', ' ', ' '>(file);
}
bool is_jpeg_xl(Bytes file) {
  return begins<'\xff', '\x0a'>(file) || begins<0, 0, 0, 12, 'J', 'X', 'L', ' '>(file);
}
bool is_never(Bytes) { return false; }  // has no signature

constexpr std::string_view kNoDecoder = "mec has no decoder for it: convert such files";

// Where a library is missing, stb_image reads the format, or nothing does.
#if MEC_HAVE_JPEG
#define MEC_JPEG_DECODER "libjpeg", ""
#else
#define MEC_JPEG_DECODER \
  "stb_image",           \
      "without libjpeg (libjpeg-turbo): colours differ by rounding, and unusual files are refused"
#endif
#if MEC_HAVE_PNG
#define MEC_PNG_DECODER "libpng", ""
#else
#define MEC_PNG_DECODER "stb_image", "without libpng: slower"
#endif
#if MEC_HAVE_WEBP
#define MEC_WEBP_DECODER "libwebp", ""
#define MEC_WEBP_DECODE decode_webp
#else
#define MEC_WEBP_DECODER "", "build mec with libwebp"
#define MEC_WEBP_DECODE nullptr
#endif
#if MEC_HAVE_GIF
#define MEC_GIF_DECODER "giflib", ""
#define MEC_GIF_DECODE decode_gif
#else
#define MEC_GIF_DECODER "", "build mec with giflib"
#define MEC_GIF_DECODE nullptr
#endif
#if MEC_HAVE_TIFF
#define MEC_TIFF_DECODER "libtiff", ""
#define MEC_TIFF_DECODE decode_tiff
#else
#define MEC_TIFF_DECODER "", "build mec with libtiff, version 4.5 or later"
#define MEC_TIFF_DECODE nullptr
#endif

constexpr ImageFormat kFormats[] = {
    {"JPEG", ".jpg .jpeg .jpe .jfif .mpo", MEC_JPEG_DECODER, begins<'\xff', '\xd8', '\xff'>,
     decode_jpeg},
    {"PNG", ".png .apng", MEC_PNG_DECODER, begins<'\x89', 'P', 'N', 'G', '\r', '\n', '\x1a', '\n'>,
     decode_png},
    {"WebP", ".webp", MEC_WEBP_DECODER, is_webp, MEC_WEBP_DECODE},
    {"GIF", ".gif", MEC_GIF_DECODER, is_gif, MEC_GIF_DECODE},
    {"TIFF", ".tif .tiff", MEC_TIFF_DECODER, is_tiff, MEC_TIFF_DECODE},
    {"BMP", ".bmp .dib", "mec", "", begins<'B', 'M'>, decode_bmp},
    {"PNM", ".pbm .pgm .ppm .pnm", "mec", "", is_pnm, decode_pnm},
    {"AVIF", ".avif .avifs", "", kNoDecoder, is_avif, nullptr},
    {"HEIF", ".heic .heif .hif", "", kNoDecoder, is_heif, nullptr},
    {"JPEG 2000", ".jp2 .j2k .j2c .jpc .jpf .jpx", "", kNoDecoder, is_jpeg_2000, nullptr},
    {"JPEG XL", ".jxl", "", kNoDecoder, is_jpeg_xl, nullptr},
    {"TGA", ".tga", "", kNoDecoder, is_never, nullptr},
};

const ImageFormat* find(auto accepts) {
  const auto* const found = std::ranges::find_if(kFormats, accepts);
  return found == std::end(kFormats) ? nullptr : found;
}

}  // namespace

std::span<const ImageFormat> image_formats() { return kFormats; }

const ImageFormat* find_image_format(const std::filesystem::path& file) {
  std::string extension = file.extension().string();
  if (extension.empty()) return nullptr;
  for (char& c : extension) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return find([&](const ImageFormat& format) {
    return (std::string(format.extensions) + ' ').find(extension + ' ') != std::string::npos;
  });
}

bool reads_extension(const std::filesystem::path& file) {
  const ImageFormat* const format = find_image_format(file);
  return format && format->is_read();
}

const ImageFormat* recognize_image(std::span<const std::uint8_t> file) {
  return find([&](const ImageFormat& format) { return format.recognizes(file); });
}

std::string list_read_formats() {
  std::vector<std::string> names;
  for (const ImageFormat& format : kFormats) {
    if (format.is_read()) names.emplace_back(format.name);
  }
  return joined(names);
}

}  // namespace mec
