// Small files in the formats of data sets, made byte by byte, and data sets of made-up images.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "mec/data/formats/memory_dataset.h"
#include "mec/tensor/philox.h"
#include "tensor/io_files.h"

namespace mec::test {

inline std::string big_endian(std::uint32_t value) {
  return {static_cast<char>(value >> 24), static_cast<char>(value >> 16), static_cast<char>(value >> 8),
          static_cast<char>(value)};
}
inline std::string little_endian(std::uint32_t value) {
  const std::string big = big_endian(value);
  return {big.rbegin(), big.rend()};
}

inline std::uint32_t crc32(std::string_view bytes) {
  std::uint32_t crc = 0xffffffffU;
  for (const char c : bytes) {
    crc ^= static_cast<unsigned char>(c);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1U) ? 0xedb88320U : 0U);
  }
  return ~crc;
}

// DEFLATE without compression: one final stored block of fewer than 2^16 bytes.
inline std::string stored_block(std::string_view bytes) {
  const auto n = static_cast<std::uint32_t>(bytes.size());
  return concat('\x01', little_endian(n | ~n << 16), bytes);
}

inline std::string make_gzip(std::string_view bytes) {
  const std::string header("\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff", 10);
  return header + stored_block(bytes) + little_endian(crc32(bytes)) + little_endian(static_cast<std::uint32_t>(bytes.size()));
}

inline std::string png_chunk(const std::string& type, const std::string& data) {
  return big_endian(static_cast<std::uint32_t>(data.size())) + type + data + big_endian(crc32(type + data));
}

// Signature and header of a PNG; color types are 0 gray, 2 RGB, 3 palette, 4 gray and alpha, 6
// RGBA.
inline std::string png_start(std::uint32_t width, std::uint32_t height, int bits, int color_type) {
  const std::string sizes = big_endian(width) + big_endian(height);
  return concat("\x89PNG\r\n\x1a\n",
                png_chunk("IHDR", concat(sizes, static_cast<char>(bits), static_cast<char>(color_type), std::string(3, '\0'))));
}
// Of 8 bits; the channels are gray, gray and alpha, RGB, or RGBA.
inline std::string png_header(std::uint32_t width, std::uint32_t height, std::size_t channels) {
  return png_start(width, height, 8, std::array<int, 5>{0, 0, 4, 2, 6}.at(channels));
}

// The rest of a PNG, with the bytes of its rows.
inline std::string png_body(std::uint32_t height, const std::vector<std::uint8_t>& pixels) {
  const std::size_t row = pixels.size() / height;
  std::string lines;
  for (std::size_t y = 0; y < height; ++y) {
    lines += '\0';  // no filter
    lines.append(reinterpret_cast<const char*>(pixels.data()) + y * row, row);
  }
  std::uint32_t a = 1;  // Adler-32
  std::uint32_t b = 0;
  for (const char c : lines) {
    a = (a + static_cast<unsigned char>(c)) % 65521;
    b = (b + a) % 65521;
  }
  const std::string data = concat("\x78\x01", stored_block(lines), big_endian(b << 16 | a));
  return png_chunk("IDAT", data) + png_chunk("IEND", "");
}

// A PNG of pixels (H,W,C).
inline std::string make_png(std::uint32_t width, std::uint32_t height, const std::vector<std::uint8_t>& pixels) {
  return png_header(width, height, pixels.size() / height / width) + png_body(height, pixels);
}

// A gray JPEG of 16x8 pixels, column x at level 16·x (column 9 at 143), by libjpeg at quality 90.
inline std::string make_jpeg() {
  static constexpr char kHex[] =
      "ffd8ffe000104a46494600010100000100010000ffdb0043000302020302020303030304030304050805050404050a070706080c0a0c0c"
      "0b0a0b0b0d0e12100d0e110e0b0b1016101113141515150c0f171816141812141514ffc0000b080008001001011100ffc4001500010100"
      "000000000000000000000000000809ffc40017100003010000000000000000000000000000084481ffda0008010100003f001fadb2e155"
      "56d970ffd9";
  std::string bytes;
  for (std::size_t i = 0; i + 1 < sizeof(kHex); i += 2) {
    bytes += static_cast<char>(std::stoi(std::string(kHex + i, 2), nullptr, 16));
  }
  return bytes;
}

// The IDX file of unsigned bytes with these sizes.
inline std::string make_idx(const std::vector<std::uint32_t>& dims, std::string_view values) {
  std::string file("\x00\x00\x08", 3);
  file += static_cast<char>(dims.size());
  for (const auto size : dims) file += big_endian(size);
  return file + std::string(values);
}

inline std::string bytes_from(std::uint8_t first, std::size_t count) {
  std::string bytes;
  for (std::size_t i = 0; i < count; ++i) bytes += static_cast<char>(first + i);
  return bytes;
}

inline Image random_image(ImageSize size, int channels, std::uint64_t seed) {
  RandomStream random(seed, 0, 0, Purpose::test);
  Image image{size.width, size.height, channels, {}};
  const int values = size.width * size.height * channels;
  for (int i = 0; i < values; ++i) image.pixels.push_back(static_cast<std::uint8_t>(random.below(256)));
  return image;
}

// Random images; image i has label i mod 3.
inline std::shared_ptr<MemoryDataset> random_dataset(std::int64_t count, ImageSize size, int channels) {
  DatasetInfo info;
  info.channels = channels;
  info.size = size;
  std::vector<std::uint8_t> pixels;
  std::vector<std::int32_t> labels;
  for (std::int64_t i = 0; i < count; ++i) {
    const Image image = random_image(size, channels, static_cast<std::uint64_t>(i));
    pixels.insert(pixels.end(), image.pixels.begin(), image.pixels.end());
    labels.push_back(static_cast<std::int32_t>(i % 3));
  }
  return std::make_shared<MemoryDataset>(info, std::move(pixels), std::move(labels));
}

}  // namespace mec::test
