// PBM, PGM and PPM, as bytes or as text.
#include <algorithm>
#include <cctype>
#include <cmath>

#include "mec/data/decoders/decoder.h"
#include "mec/tensor/error.h"

namespace mec {
namespace {

// Reads numbers between white space and comments.
class Scanner {
 public:
  explicit Scanner(Bytes file) : file_(file) {}

  // Skips white space and comments. Returns the next byte, without consuming it.
  std::uint8_t peek() {
    for (;; ++at_) {
      const std::uint8_t c = part_of(file_, at_, 1)[0];
      if (c == '#') {
        while (part_of(file_, at_, 1)[0] != '\n' && file_[at_] != '\r') ++at_;
      } else if (std::isspace(c) == 0) {
        return c;
      }
    }
  }
  std::uint32_t number() {
    check<IoError>(std::isdigit(peek()) != 0, "byte ", at_,
                   " of the file is no digit, but a number is expected there");
    std::uint64_t value = 0;
    for (; at_ < file_.size() && std::isdigit(file_[at_]) != 0; ++at_) {
      value = 10 * value + file_[at_] - '0';
      check<IoError>(value <= 0xffffffffU, "byte ", at_,
                     " of the file is in a number that is too large");
    }
    return static_cast<std::uint32_t>(value);
  }
  std::uint32_t bit() {  // bits need no separator
    const std::uint8_t c = peek();
    check<IoError>(c == '0' || c == '1', "byte ", at_, " of the file is neither 0 nor 1");
    ++at_;
    return c - std::uint32_t{'0'};
  }
  Bytes bytes(std::uint64_t count) {
    const Bytes part = part_of(file_, at_, count);
    at_ += count;
    return part;
  }

 private:
  Bytes file_;
  std::size_t at_ = 2;  // after the signature
};

void read_bits(Scanner& scanner, bool is_text, Image& image) {
  const auto width = static_cast<std::size_t>(image.width);
  for (std::size_t y = 0; y < static_cast<std::size_t>(image.height); ++y) {
    const Bytes row = is_text ? Bytes{} : scanner.bytes((width + 7) / 8);
    for (std::size_t x = 0; x < width; ++x) {
      const std::uint32_t black = is_text ? scanner.bit() : row[x / 8] >> (7 - x % 8) & 1U;
      image.pixels[y * width + x] = black ? 0 : 255;
    }
  }
}

// As Pillow: levels are scaled to 255, but gray of more than 8 bits is scaled to 65535 and then
// clipped at 255. Halves round to even.
std::uint8_t level(std::uint32_t value, std::uint32_t max, bool is_gray) {
  const double full = is_gray && max > 255 ? 65535 : 255;
  return clip_to_8_bits(std::nearbyint(static_cast<double>(value) / max * full));
}

void read_levels(Scanner& scanner, bool is_text, std::uint32_t max, Image& image) {
  const std::size_t size = max > 255 ? 2 : 1;
  const Bytes bytes = is_text ? Bytes{} : scanner.bytes(size * image.pixels.size());
  for (std::size_t i = 0; i < image.pixels.size(); ++i) {
    const std::uint32_t value = is_text     ? scanner.number()
                                : size == 2 ? big_16(bytes, 2 * i)
                                            : bytes[i];
    check<IoError>(!is_text || value <= max, "the file has a level of ", value,
                   ", but its largest is to be ", max);
    image.pixels[i] = level(std::min(value, max), max, image.channels == 1);
  }
}

}  // namespace

DecodedImage decode_pnm(Bytes file) {
  const int kind = file[1] - '0';  // 1 to 3: bits, gray and colour as text; 4 to 6: as bytes
  const bool is_text = kind <= 3;
  const bool is_bits = kind % 3 == 1;
  Scanner scanner(file);
  const std::uint32_t width = scanner.number();
  const std::uint32_t height = scanner.number();
  const std::uint32_t max = is_bits ? 1 : scanner.number();
  check<IoError>(max > 0 && max < 65536, "the largest level is between 1 and 65535, but is ", max);
  if (!is_text) scanner.bytes(1);  // one white space
  Image image = make_image(file, width, height, kind % 3 == 0 ? 3 : 1);
  if (is_bits) read_bits(scanner, is_text, image);
  else read_levels(scanner, is_text, max, image);
  return {std::move(image), 1};
}

}  // namespace mec
