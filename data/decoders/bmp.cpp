// Windows bitmaps: 1 to 32 bits a pixel, plain, run-length encoded or with masks, in the variants
// that Pillow reads.
#include <algorithm>
#include <array>
#include <vector>

#include "mec/data/decoders/decoder.h"
#include "mec/tensor/error.h"

namespace mec {
namespace {

enum Compression : std::uint32_t { kPlain = 0, kRle8 = 1, kRle4 = 2, kMasks = 3 };

using Masks = std::array<std::uint32_t, 3>;  // red, green, blue

struct Header {
  std::uint64_t width = 0, height = 0;
  bool top_down = false;
  std::uint32_t bits = 0;
  std::uint32_t compression = kPlain;
  Masks masks{};
  std::vector<std::array<std::uint8_t, 3>> palette;  // red, green, blue
  std::size_t pixels_at = 0;
};

// Without masks in the file, 16-bit pixels have 5 bits for each colour, 24- and 32-bit pixels 8.
Masks read_masks(Bytes file, const Header& h) {
  constexpr Masks kFive{0x7c00, 0x3e0, 0x1f};
  constexpr Masks kBytes{0xff0000, 0xff00, 0xff};
  if (h.compression != kMasks) return h.bits == 16 ? kFive : kBytes;
  const Masks masks{little_32(file, 54), little_32(file, 58), little_32(file, 62)};
  return h.bits == 32 && masks == Masks{} ? kBytes : masks;
}

void check_kind(const Header& h) {
  const bool known =
      h.bits == 1 || h.bits == 4 || h.bits == 8 || h.bits == 16 || h.bits == 24 || h.bits == 32;
  check<IoError>(known, "a BMP file of ", h.bits, " bits a pixel; 1, 4, 8, 16, 24 and 32 are read");
  const bool fits = h.compression == kPlain || (h.compression == kRle8 && h.bits == 8) ||
                    (h.compression == kRle4 && h.bits == 4) ||
                    (h.compression == kMasks && h.bits >= 16);
  check<IoError>(fits, "a BMP file of ", h.bits, " bits a pixel with compression ", h.compression,
                 ", which is not read");
  check<IoError>(!h.top_down || h.compression == kPlain || h.compression == kMasks,
                 "a BMP file that is run-length encoded from the top down, which is not read");
}

void read_palette(Bytes file, Header& h, std::size_t at, std::uint32_t colors, std::size_t entry) {
  check<IoError>(colors <= 65536, "a BMP file with a palette of ", colors,
                 " colours; at most 65536 are read");
  for (std::uint32_t i = 0; i < std::min(colors, 256U); ++i) {
    const Bytes bgr = part_of(file, at + i * entry, 3);
    h.palette.push_back({bgr[2], bgr[1], bgr[0]});
  }
}

Header read_header(Bytes file) {
  Header h;
  const std::uint32_t size = little_32(file, 14);
  const bool is_old = size == 12;  // OS/2's
  check<IoError>(
      is_old || size == 40 || size == 52 || size == 56 || size == 64 || size == 108 || size == 124,
      "a BMP file with a header of ", size, " bytes, which is not read");
  part_of(file, 14, size);
  std::uint32_t colors = 0;
  if (is_old) {
    h.width = little_16(file, 18);
    h.height = little_16(file, 20);
    h.bits = little_16(file, 24);
  } else {
    h.width = little_32(file, 18);
    h.height = little_32(file, 22);
    h.top_down = (h.height >> 24) == 0xff;  // negative
    if (h.top_down) h.height = (std::uint64_t{1} << 32) - h.height;
    h.bits = little_16(file, 28);
    h.compression = little_32(file, 30);
    colors = little_32(file, 46);
  }
  check_kind(h);
  if (h.bits >= 16) h.masks = read_masks(file, h);
  std::size_t after = 14 + size;
  if (size == 40 && h.compression == kMasks) after += 12;
  if (h.bits <= 8) {
    if (colors == 0) colors = 1U << h.bits;
    const std::size_t entry = is_old ? 3 : 4;
    read_palette(file, h, after, colors, entry);
    after += entry * colors;
  }
  const std::size_t stated = little_32(file, 10);
  h.pixels_at = stated == 0 || (h.bits <= 8 && stated == 14 + size) ? after : stated;
  return h;
}

struct Channel {
  std::uint32_t shift = 0, max = 0;
};
Channel channel_of(std::uint32_t mask) {
  Channel c;
  check<IoError>(mask != 0, "a BMP file with an empty colour mask, which is not read");
  while ((mask >> c.shift & 1) == 0) ++c.shift;
  c.max = mask >> c.shift;
  check<IoError>(c.max <= 255 && (c.max & (c.max + 1)) == 0, "a BMP file with a colour mask of ",
                 mask, ", which is not read");
  return c;
}

void unpack_masks(const Header& h, const std::uint8_t* row, std::uint8_t* rgb) {
  std::array<Channel, 3> channels;
  std::transform(h.masks.begin(), h.masks.end(), channels.begin(), channel_of);
  const std::size_t bytes = h.bits / 8;
  for (std::uint64_t x = 0; x < h.width; ++x, row += bytes) {
    std::uint32_t pixel = 0;
    for (std::size_t i = 0; i < bytes; ++i) pixel |= std::uint32_t{row[i]} << (8 * i);
    for (const Channel& c : channels)
      *rgb++ = static_cast<std::uint8_t>((pixel >> c.shift & c.max) * 255 / c.max);
  }
}

void unpack_indices(const Header& h, const std::uint8_t* row, std::uint8_t* rgb) {
  const std::uint32_t per_byte = 8 / h.bits;
  for (std::uint64_t x = 0; x < h.width; ++x, rgb += 3) {
    const std::uint32_t shift = 8 - h.bits * (1 + static_cast<std::uint32_t>(x % per_byte));
    const std::uint32_t index = row[x / per_byte] >> shift & ((1U << h.bits) - 1);
    if (index < h.palette.size()) std::copy_n(h.palette[index].data(), 3, rgb);  // else black
  }
}

// Decodes runs and literal pieces, from the bottom row up, into one byte for each palette index,
// without padding between rows. Pixels that the pieces skip have index 0; a stream that ends early
// is an error.
class RunReader {
 public:
  RunReader(Bytes file, const Header& header)
      : file_(file), header_(header), at_(header.pixels_at) {}

  std::vector<std::uint8_t> read() {
    const std::uint64_t total = header_.width * header_.height;
    while (to_ < total) {
      const Bytes pair = take(2);
      if (pair[0] > 0) {
        add_run(pair[0], pair[1]);
      } else if (pair[1] == 0) {  // end of the row
        to_ = (to_ + header_.width - 1) / header_.width * header_.width;
        x_ = 0;
      } else if (pair[1] == 1) {
        throw IoError(concat("the BMP picture ends after ", to_, " of ", total, " pixels"));
      } else if (pair[1] == 2) {  // a step to the right and up
        const Bytes step = take(2);
        to_ += step[0] + step[1] * header_.width;
        x_ = to_ % header_.width;
      } else {
        add_literally(std::min<std::uint64_t>(pair[1], total - to_));
      }
    }
    indices_.resize(total);
    return std::move(indices_);
  }

 private:
  Bytes take(std::uint64_t count) {
    const Bytes part = part_of(file_, at_, count);
    at_ += count;
    return part;
  }
  bool is_4() const { return header_.compression == kRle4; }
  void put(std::uint8_t byte, std::uint64_t i) {
    indices_.resize(to_);
    indices_.push_back(static_cast<std::uint8_t>(!is_4()      ? byte
                                                 : i % 2 == 0 ? byte >> 4
                                                              : byte & 15));
    ++to_;
  }
  void add_run(std::uint64_t count, std::uint8_t byte) {  // cut off at the end of its row
    count = std::min(count, header_.width - std::min(x_, header_.width));
    for (std::uint64_t i = 0; i < count; ++i) put(byte, i);
    x_ += count;
  }
  void add_literally(std::uint64_t count) {  // padded to 16 bits in the file
    const std::uint64_t bytes = is_4() ? (count + 1) / 2 : count;
    const Bytes pixels = take(bytes);
    for (std::uint64_t i = 0; i < count; ++i) put(pixels[is_4() ? i / 2 : i], i);
    at_ += bytes % 2;
    x_ += count;
  }

  Bytes file_;
  const Header& header_;
  std::size_t at_;
  std::uint64_t to_ = 0;  // the next pixel, counted from the first of the bottom row
  std::uint64_t x_ = 0;   // its place in the row
  std::vector<std::uint8_t> indices_;
};

}  // namespace

DecodedImage decode_bmp(Bytes file) {
  Header h = read_header(file);
  Image image = make_image(file, h.width, h.height, 3);
  std::vector<std::uint8_t> indices;
  if (h.compression == kRle8 || h.compression == kRle4) {
    indices = RunReader(file, h).read();
    file = indices;
    h.bits = 8;
    h.pixels_at = 0;
  }
  const std::uint64_t row_bytes = (h.width * h.bits + 7) / 8;
  const std::uint64_t stride = indices.empty() ? (row_bytes + 3) / 4 * 4 : row_bytes;
  const Bytes rows = part_of(file, h.pixels_at, (h.height - 1) * stride + row_bytes);
  for (std::uint64_t y = 0; y < h.height; ++y) {
    const Bytes row = rows.subspan(y * stride);
    std::uint8_t* const rgb = &image.pixels[(h.top_down ? y : h.height - 1 - y) * h.width * 3];
    if (h.bits <= 8) unpack_indices(h, row.data(), rgb);
    else unpack_masks(h, row.data(), rgb);
  }
  return {std::move(image), 1};
}

}  // namespace mec
