#include "mec/data/decoders/stb.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <memory>

#include "mec/tensor/error.h"

namespace mec {
namespace {

// The byte that fills all memory which stb_image allocates. Two runs with different bytes give
// different pixels exactly where stb_image reads memory that it did not write.
thread_local int first_byte = 0;

void* allocate(std::size_t size) {
  void* const memory = std::malloc(size);
  if (memory) std::memset(memory, first_byte, size);
  return memory;
}

void* reallocate(void* memory, std::size_t old_size, std::size_t size) {
  void* const grown = std::realloc(memory, size);
  if (grown && size > old_size)
    std::memset(static_cast<char*>(grown) + old_size, first_byte, size - old_size);
  return grown;
}

}  // namespace
}  // namespace mec

#define STB_IMAGE_STATIC
#define STB_IMAGE_IMPLEMENTATION
#define STBI_ONLY_JPEG
#define STBI_ONLY_PNG
#define STBI_NO_STDIO
#define STBI_MAX_DIMENSIONS (1 << 28)
#define STBI_ASSERT(condition) ((void)0)
#define STBI_MALLOC(size) mec::allocate(size)
#define STBI_REALLOC(memory, size) mec::reallocate(memory, size, size)
#define STBI_REALLOC_SIZED(memory, old_size, size) mec::reallocate(memory, old_size, size)
#define STBI_FREE(memory) std::free(memory)
#if defined(__GNUC__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"  // parts of its interface are not called
#endif
#include <stb_image.h>
#if defined(__GNUC__)
#pragma GCC diagnostic pop
#endif

namespace mec {
namespace {

struct Free {
  void operator()(void* memory) const { std::free(memory); }
};

int length_of(Bytes file) {
  check<IoError>(file.size() <= static_cast<std::size_t>(std::numeric_limits<int>::max()),
                 "the file has ", file.size(), " bytes, and stb_image reads at most 2 GiB");
  return static_cast<int>(file.size());
}

void check_stb(bool ok) {
  if (!ok) throw IoError(concat(stbi_failure_reason(), " (says stb_image)"));
}

Image decode_once(Bytes file, int memory) {
  first_byte = memory;
  int width = 0, height = 0, stored = 0;
  check_stb(stbi_info_from_memory(file.data(), length_of(file), &width, &height, &stored) != 0);
  const int channels = stored <= 2 ? 1 : 3;  // without alpha
  Image image = make_image(file, static_cast<std::uint64_t>(width), static_cast<std::uint64_t>(height), channels);
  const std::unique_ptr<stbi_uc, Free> pixels(
      stbi_load_from_memory(file.data(), length_of(file), &width, &height, &stored, channels));
  check_stb(pixels != nullptr);
  std::copy_n(pixels.get(), image.pixels.size(), image.pixels.begin());
  return image;
}

}  // namespace

Image decode_with_stb(Bytes file, Bytes variant) {
  Image image = decode_once(file, 0);
  check<IoError>(image.pixels == decode_once(variant, 0xa5).pixels,
                 "a part of the picture is missing");
  return image;
}

std::vector<std::uint16_t> decode_wide_with_stb(Bytes file) {
  first_byte = 0;
  int width = 0, height = 0, stored = 0;
  const std::unique_ptr<stbi_us, Free> pixels(
      stbi_load_16_from_memory(file.data(), length_of(file), &width, &height, &stored, 1));
  check_stb(pixels != nullptr);
  return {pixels.get(),
          pixels.get() + static_cast<std::size_t>(width) * static_cast<std::size_t>(height)};
}

std::vector<std::uint8_t> inflate_with_stb(Bytes packed, std::size_t expected) {
  check<IoError>(expected <= static_cast<std::size_t>(std::numeric_limits<int>::max()),
                 "the picture takes ", expected, " bytes, and stb_image unpacks at most 2 GiB");
  std::vector<std::uint8_t> bytes(expected);
  const int size =
      stbi_zlib_decode_buffer(reinterpret_cast<char*>(bytes.data()), static_cast<int>(expected),
                              reinterpret_cast<const char*>(packed.data()), length_of(packed));
  check_stb(size >= 0);
  bytes.resize(static_cast<std::size_t>(size));
  return bytes;
}

}  // namespace mec
