// PNG by stb_image, for builds without libpng. stb_image compares no checksum, and reads past the
// end of a short palette. So it is handed a rebuilt file: the critical chunks alone, after their
// checksums were compared, with a palette of 256 colours.
#include <algorithm>
#include <array>
#include <string>

#include "mec/data/decoders/decoder.h"
#include "mec/data/decoders/exif.h"
#include "mec/data/decoders/stb.h"
#include "mec/tensor/error.h"

namespace mec {
namespace {

constexpr std::size_t kSignature = 8;
constexpr std::size_t kHeader = 13;
constexpr int kPaletteColor = 3;

std::uint32_t crc_of(Bytes bytes) {
  static const std::array<std::uint32_t, 256> table = [] {
    std::array<std::uint32_t, 256> values{};
    for (std::uint32_t i = 0; i < 256; ++i) {
      std::uint32_t crc = i;
      for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ ((crc & 1U) ? 0xedb88320U : 0U);
      values[i] = crc;
    }
    return values;
  }();
  std::uint32_t crc = 0xffffffffU;
  for (const std::uint8_t byte : bytes) crc = table[(crc ^ byte) & 0xffU] ^ crc >> 8;
  return ~crc;
}

std::uint32_t adler_of(Bytes bytes) {
  std::uint32_t a = 1, b = 0;
  for (const std::uint8_t byte : bytes) {
    a = (a + byte) % 65521;
    b = (b + a) % 65521;
  }
  return b << 16 | a;
}

struct Chunks {
  Bytes header;                    // IHDR
  Bytes palette;                   // PLTE, empty where there is none
  std::vector<std::uint8_t> data;  // all IDAT
  int orientation = 1;
};

// Every chunk up to IEND, with its checksum compared.
Chunks read_chunks(Bytes file) {
  Chunks chunks;
  bool is_over = false;  // a chunk of another type came after IDAT
  for (std::size_t at = kSignature;;) {
    const std::uint32_t length = big_32(file, at);
    const Bytes typed = part_of(file, at + 4, std::uint64_t{4} + length);
    const std::string type(typed.begin(), typed.begin() + 4);
    const Bytes data = typed.subspan(4);
    const std::uint32_t stored = big_32(file, at + 8 + length);
    check<IoError>(stored == crc_of(typed), "the chunk at byte ", at,
                   " is damaged: its checksum is not the one stored");
    check<IoError>((at == kSignature) == (type == "IHDR"),
                   "the file does not begin with its only header");
    if (type == "IHDR") {
      chunks.header = data;
      check<IoError>(length == kHeader, "the header has ", length, " bytes instead of ", kHeader);
    } else if (type == "PLTE") {
      check<IoError>(chunks.palette.empty() && chunks.data.empty(),
                     "the palette stands in a wrong place");
      chunks.palette = data;
    } else if (type == "IDAT") {
      check<IoError>(!is_over, "the picture's data are in two places");
      chunks.data.insert(chunks.data.end(), data.begin(), data.end());
    } else if (type == "IEND") {
      return chunks;
    } else {
      check<IoError>((typed[0] & 0x20) != 0,
                     "the file has a chunk that is unknown and must not be passed over");
      if (type == "eXIf") chunks.orientation = find_orientation(data);
    }
    is_over = is_over || (type != "IDAT" && !chunks.data.empty());
    at += 12 + std::size_t{length};
  }
}

// The size of a picture's unpacked data: its rows, each with a byte for its filter. An interlaced
// picture is seven smaller ones.
std::uint64_t unpacked_size(std::uint64_t width, std::uint64_t height, std::uint64_t pixel_bits,
                            bool interlaced) {
  struct Pass {
    std::uint64_t x, y, step_x, step_y;
  };
  constexpr Pass kWhole[] = {{0, 0, 1, 1}};
  constexpr Pass kInterlaced[] = {{0, 0, 8, 8}, {4, 0, 8, 8}, {0, 4, 4, 8}, {2, 0, 4, 4},
                                  {0, 2, 2, 4}, {1, 0, 2, 2}, {0, 1, 1, 2}};
  std::uint64_t size = 0;
  for (const Pass& p : interlaced ? std::span<const Pass>(kInterlaced) : kWhole) {
    const std::uint64_t columns = width > p.x ? (width - p.x - 1) / p.step_x + 1 : 0;
    const std::uint64_t rows = height > p.y ? (height - p.y - 1) / p.step_y + 1 : 0;
    if (columns > 0) size += rows * (1 + (columns * pixel_bits + 7) / 8);
  }
  return size;
}

void check_data(const Chunks& chunks, Bytes file) {
  constexpr std::array<int, 7> kSamples{1, 0, 3, 1, 2, 0, 4};  // by colour type
  const std::uint8_t bits = chunks.header[8];
  const std::uint8_t color = chunks.header[9];
  const bool is_known = color < kSamples.size() && kSamples[color] > 0 &&
                        (bits == 1 || bits == 2 || bits == 4 || bits == 8 || bits == 16);
  check<IoError>(is_known && chunks.header[12] <= 1, "the header asks for colour type ", int{color},
                 ", ", int{bits}, " bits and interlacing ", int{chunks.header[12]});
  check<IoError>(chunks.data.size() > 6, "the file has no picture");
  const std::uint64_t expected =
      unpacked_size(big_32(chunks.header, 0), big_32(chunks.header, 4),
                    static_cast<std::uint64_t>(kSamples[color]) * bits, chunks.header[12] == 1);
  check_unpacked(file, expected);
  const std::vector<std::uint8_t> unpacked = inflate_with_stb(chunks.data, expected);
  check<IoError>(unpacked.size() == expected, "the picture takes ", expected,
                 " bytes, but there are ", unpacked.size());
  check<IoError>(adler_of(unpacked) == big_32(chunks.data, chunks.data.size() - 4),
                 "the picture's data are damaged: their checksum is not the one stored");
}

void add_chunk(std::vector<std::uint8_t>& file, std::string_view type, Bytes data) {
  const auto size = static_cast<std::uint32_t>(data.size());
  for (const int shift : {24, 16, 8, 0}) file.push_back(static_cast<std::uint8_t>(size >> shift));
  file.insert(file.end(), type.begin(), type.end());
  file.insert(file.end(), data.begin(), data.end());
  file.insert(file.end(), 4, std::uint8_t{0});  // a checksum, which stb_image does not look at
}

}  // namespace

DecodedImage decode_png(Bytes file) {
  const Chunks chunks = read_chunks(file);
  const std::uint64_t width = big_32(chunks.header, 0), height = big_32(chunks.header, 4);
  check_image_size(width, height);
  check_data(chunks, file);
  std::vector<std::uint8_t> clean(file.begin(), file.begin() + kSignature);
  add_chunk(clean, "IHDR", chunks.header);
  if (chunks.header[9] == kPaletteColor) {
    std::vector<std::uint8_t> palette(chunks.palette.begin(), chunks.palette.end());
    check<IoError>(!palette.empty() && palette.size() % 3 == 0 && palette.size() <= 768,
                   "the palette has ", palette.size(), " bytes");
    palette.resize(768);  // indices beyond it are black
    add_chunk(clean, "PLTE", palette);
  }
  add_chunk(clean, "IDAT", chunks.data);
  add_chunk(clean, "IEND", {});

  const bool is_wide = chunks.header[8] == 16 && chunks.header[9] == 0;
  if (!is_wide) return {decode_with_stb(clean, clean), chunks.orientation};
  Image image = make_image(file, width, height, 1);
  const std::vector<std::uint16_t> wide = decode_wide_with_stb(clean);
  std::transform(wide.begin(), wide.end(), image.pixels.begin(), clip_to_8_bits<std::uint16_t>);
  return {std::move(image), chunks.orientation};
}

}  // namespace mec
