#include "mec/data/decode.h"

#include <cstring>
#include <limits>
#include <memory>
#include <numeric>

#include "mec/tensor/error.h"
#include "mec/tensor/io/input_file.h"

#define STB_IMAGE_STATIC
#define STB_IMAGE_IMPLEMENTATION
#define STBI_ONLY_JPEG
#define STBI_ONLY_PNG
#define STBI_NO_STDIO
#define STBI_MAX_DIMENSIONS (1 << 16)  // a few damaged bytes must not ask for terabytes
#include <stb_image.h>

namespace mec {
namespace {

using Bytes = std::span<const std::uint8_t>;

constexpr std::uint8_t kPngSignature[8] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};

bool is_png(Bytes file) { return file.size() >= 8 && std::memcmp(file.data(), kPngSignature, 8) == 0; }
bool is_jpeg(Bytes file) { return file.size() >= 3 && file[0] == 0xff && file[1] == 0xd8 && file[2] == 0xff; }

// stb_image reads on past the end of a file as if zeros followed, and would hand back a half-gray picture. So the frame
// is walked first: to the end of PNG's IEND chunk, and to JPEG's end-of-image marker.
bool png_is_whole(Bytes file) {
  std::size_t at = 8;
  while (file.size() - at >= 12) {  // length, type, data, checksum
    const std::size_t length = static_cast<std::size_t>(file[at]) << 24 | static_cast<std::size_t>(file[at + 1]) << 16 |
                               static_cast<std::size_t>(file[at + 2]) << 8 | file[at + 3];
    if (length > file.size() - at - 12) return false;
    if (std::memcmp(&file[at + 4], "IEND", 4) == 0) return true;
    at += length + 12;
  }
  return false;
}

// The tables of a Huffman segment fill it exactly and have at most 256 codes. stb_image up to 2.27 writes past its arrays
// where this does not hold.
bool huffman_tables_fit(Bytes segment) {
  while (!segment.empty()) {
    if (segment.size() < 17) return false;
    const auto counts = segment.subspan(1, 16);
    const std::size_t codes = std::accumulate(counts.begin(), counts.end(), std::size_t{0});
    if (codes > 256 || segment.size() < 17 + codes) return false;
    segment = segment.subspan(17 + codes);
  }
  return true;
}

bool jpeg_is_whole(Bytes file, const std::string& name) {
  std::size_t at = 2;
  while (at < file.size()) {
    // The next marker: 0xff and a byte that is neither stuffing (0), fill (0xff) nor a restart (0xd0 to 0xd7).
    const void* found = std::memchr(&file[at], 0xff, file.size() - at);
    if (!found) return false;
    at = static_cast<std::size_t>(static_cast<const std::uint8_t*>(found) - file.data()) + 1;
    if (at >= file.size()) return false;
    const std::uint8_t marker = file[at];
    if (marker == 0xff) continue;
    ++at;
    if (marker == 0xd9) return true;
    if (marker < 0xc0 || (marker >= 0xd0 && marker <= 0xd8)) continue;
    if (file.size() - at < 2) return false;
    const std::size_t length = static_cast<std::size_t>(file[at]) << 8 | file[at + 1];  // with its own two bytes
    if (length > file.size() - at) return false;
    check<IoError>(length >= 2 && (marker != 0xc4 || huffman_tables_fit(file.subspan(at + 2, length - 2))), name,
                   ": cannot be decoded: a segment of the JPEG file is damaged");
    at += length;  // over the segment, which may hold a thumbnail's markers
  }
  return false;
}

struct FreePixels {
  void operator()(stbi_uc* pixels) const { stbi_image_free(pixels); }
};

}  // namespace

Image decode_image(Bytes file, int channels, const std::string& name) {
  check<ValueError>(channels == 1 || channels == 3, "decode_image: images have 1 or 3 channels, not ", channels);
  check<IoError>(!file.empty(), name, ": the image file is empty");
  check<IoError>(is_png(file) || is_jpeg(file), name, ": neither a JPEG nor a PNG file, by its first bytes");
  check<IoError>(file.size() <= static_cast<std::size_t>(std::numeric_limits<int>::max()), name,
                 ": the image file is too large");
  check<IoError>(is_png(file) ? png_is_whole(file) : jpeg_is_whole(file, name), name, ": the image file is truncated");

  int width = 0;
  int height = 0;
  int stored = 0;
  const int length = static_cast<int>(file.size());
  check<IoError>(stbi_info_from_memory(file.data(), length, &width, &height, &stored) != 0, name,
                 ": cannot be decoded: ", stbi_failure_reason());
  const int decoded = stored <= 2 ? 1 : 3;  // without alpha; PIL's gray, not stb_image's, comes after
  std::unique_ptr<stbi_uc, FreePixels> pixels(stbi_load_from_memory(file.data(), length, &width, &height, &stored, decoded));
  check<IoError>(pixels != nullptr, name, ": cannot be decoded: ", stbi_failure_reason());
  check<IoError>(width > 0 && height > 0, name, ": the image is ", width, "x", height, ": it has no pixels");

  Image image{.width = width, .height = height, .channels = decoded, .pixels = {}};
  const std::size_t count = static_cast<std::size_t>(width) * static_cast<std::size_t>(height);
  image.pixels.assign(pixels.get(), pixels.get() + count * static_cast<std::size_t>(decoded));
  return with_channels(std::move(image), channels);
}

Image read_image(const std::filesystem::path& path, int channels) {
  return decode_image(read_file(path), channels, path.string());
}

}  // namespace mec
