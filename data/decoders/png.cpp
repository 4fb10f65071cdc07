// PNG by libpng.
#include <png.h>

#include <csetjmp>
#include <cstdio>
#include <cstring>
#include <vector>

#include "mec/data/decoders/decoder.h"
#include "mec/data/decoders/exif.h"
#include "mec/tensor/error.h"

namespace mec {
namespace {

class Reader {
 public:
  explicit Reader(Bytes file) : rest_(file) {
    png_ = png_create_read_struct(PNG_LIBPNG_VER_STRING, this, leave,
                                  [](png_structp, png_const_charp) {});
    check<IoError>(png_ != nullptr, "libpng could not be started");
    info_ = png_create_info_struct(png_);
    if (!info_) png_destroy_read_struct(&png_, nullptr, nullptr);
    check<IoError>(info_ != nullptr, "libpng could not be started");
  }
  ~Reader() { png_destroy_read_struct(&png_, &info_, nullptr); }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  png_structp png() { return png_; }
  png_infop info() { return info_; }

  // Errors of libpng leave `steps` by longjmp and become exceptions here: no local variable of
  // `steps` may have a destructor.
  template <class Steps> void run(Steps steps) {
    if (setjmp(jump_) != 0) throw IoError(text_);
    steps();
  }

  static void read(png_structp png, png_bytep to, png_size_t count) {
    auto& reader = *static_cast<Reader*>(png_get_io_ptr(png));
    if (count > reader.rest_.size()) png_error(png, "the file is truncated");
    std::memcpy(to, reader.rest_.data(), count);
    reader.rest_ = reader.rest_.subspan(count);
  }

 private:
  [[noreturn]] static void leave(png_structp png, png_const_charp text) {
    auto& reader = *static_cast<Reader*>(png_get_error_ptr(png));
    std::snprintf(reader.text_, sizeof reader.text_, "%s", text);
    std::longjmp(reader.jump_, 1);
  }

  Bytes rest_;
  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
  std::jmp_buf jump_{};
  char text_[256] = "";
};

// IoError where a chunk does not lie in the file as a whole: libpng takes memory by the length that
// a chunk claims, and only warns of lengths beyond its own limit.
void check_chunks(Bytes file) {
  constexpr std::size_t kSignature = 8;
  for (std::uint64_t at = kSignature;;) {
    const Bytes chunk = part_of(file, at, std::uint64_t{12} + big_32(file, at));
    if (begins_with(chunk.subspan(4), "IEND")) return;
    at += chunk.size();
  }
}

// Pixels of 1 or 3 channels of 8 bits; gray of 16 bits stays as it is. Gamma and colour profiles
// are ignored. Returns the number of passes over the picture: 1, or 7 where it is interlaced.
int set_transformations(png_structp png, png_infop info) {
  const int color = png_get_color_type(png, info);
  const int bits = png_get_bit_depth(png, info);
  if (color == PNG_COLOR_TYPE_PALETTE)
    png_set_palette_to_rgb(png);  // indices beyond the palette are black
  if (color == PNG_COLOR_TYPE_GRAY && bits < 8) png_set_expand_gray_1_2_4_to_8(png);
  if (bits == 16 && color != PNG_COLOR_TYPE_GRAY) png_set_strip_16(png);
  png_set_strip_alpha(png);
  const int passes = png_set_interlace_handling(png);
  png_read_update_info(png, info);
  return passes;
}

int orientation_of(Reader& file) {
  png_bytep data = nullptr;
  png_uint_32 size = 0;
  return png_get_eXIf_1(file.png(), file.info(), &size, &data) != 0 ? find_orientation({data, size})
                                                                    : 1;
}

}  // namespace

DecodedImage decode_png(Bytes bytes) {
  check_chunks(bytes);
  Reader file(bytes);
  png_structp png = file.png();
  png_infop info = file.info();
  file.run([&] {
    png_set_read_fn(png, &file, Reader::read);
    png_set_user_limits(png, PNG_UINT_31_MAX,
                        PNG_UINT_31_MAX);  // make_image() has a limit of its own
    png_set_crc_action(png, PNG_CRC_ERROR_QUIT, PNG_CRC_ERROR_QUIT);
    png_read_info(png, info);
  });
  const std::uint64_t width = png_get_image_width(png, info);
  const std::uint64_t height = png_get_image_height(png, info);
  const int color = png_get_color_type(png, info);
  const bool is_gray = (color & PNG_COLOR_MASK_COLOR) == 0;
  DecodedImage decoded{make_image(bytes, width, height, is_gray ? 1 : 3), 1};

  const bool is_wide = color == PNG_COLOR_TYPE_GRAY && png_get_bit_depth(png, info) == 16;
  std::vector<std::uint8_t> wide(is_wide ? 2 * decoded.image.pixels.size() : 0);
  std::vector<std::uint8_t>& target = is_wide ? wide : decoded.image.pixels;
  const std::size_t row_bytes = target.size() / height;
  bool fits = false;
  file.run([&] {
    const int passes = set_transformations(png, info);
    fits = png_get_rowbytes(png, info) == row_bytes;
    if (!fits) return;
    for (int pass = 0; pass < passes; ++pass) {  // each changes its own pixels of a row
      for (std::uint64_t y = 0; y < height; ++y) png_read_row(png, target.data() + y * row_bytes, nullptr);
    }
    png_read_end(png, info);
  });
  check<IoError>(fits, "libpng gives rows of ", png_get_rowbytes(png, info), " bytes for ", width,
                 " pixels");
  for (std::size_t i = 0; 2 * i < wide.size(); ++i)
    decoded.image.pixels[i] = clip_to_8_bits(big_16(wide, 2 * i));
  decoded.orientation = orientation_of(file);
  return decoded;
}

}  // namespace mec
