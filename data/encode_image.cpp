// By stb_image_write, which every build has, since it comes with stb_image.
#include "mec/data/encode_image.h"

#include <algorithm>

#include "mec/tensor/error.h"

#define STB_IMAGE_WRITE_STATIC
#define STB_IMAGE_WRITE_IMPLEMENTATION
#define STBI_WRITE_NO_STDIO
#if defined(__GNUC__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"  // parts of its interface are not called
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"
#endif
#include <stb_image_write.h>
#if defined(__GNUC__)
#pragma GCC diagnostic pop
#endif

namespace mec {

namespace {

constexpr int kMostJpegSide = 65535;  // its header has 16 bits for each

void append(void* to, void* bytes, int count) {
  static_cast<std::string*>(to)->append(static_cast<const char*>(bytes), static_cast<std::size_t>(count));
}

void check_image(const Image& image) {
  const auto pixels = static_cast<std::size_t>(image.width) * static_cast<std::size_t>(image.height);
  check<ValueError>(
      image.width > 0 && image.height > 0 && image.pixels.size() == pixels * static_cast<std::size_t>(image.channels),
      "encode: an image of ", image.width, "x", image.height, " in ", image.channels, " channels has ", image.pixels.size(),
      " values");
}

}  // namespace

std::string encode_png(const Image& image) {
  check_image(image);
  std::string bytes;
  const int written = stbi_write_png_to_func(append, &bytes, image.width, image.height, image.channels, image.pixels.data(),
                                             image.width * image.channels);
  check<MemoryError>(written != 0, "encode: there is too little memory for a PNG file of ", image.width, "x", image.height);
  return bytes;
}

std::string encode_jpeg(const Image& image, int quality) {
  check_image(image);
  check<ValueError>(quality >= 1 && quality <= 100, "encode: the quality of a JPEG lies between 1 and 100, but is ", quality);
  check<ValueError>(std::max(image.width, image.height) <= kMostJpegSide, "encode: a JPEG has at most ", kMostJpegSide,
                    " pixels on a side, but the image is ", image.width, "x", image.height);
  std::string bytes;
  const int written =
      stbi_write_jpg_to_func(append, &bytes, image.width, image.height, image.channels, image.pixels.data(), quality);
  check<ValueError>(written != 0, "encode: no JPEG can be made of an image in ", image.channels, " channels");
  return bytes;
}

}  // namespace mec
