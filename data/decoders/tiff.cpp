// TIFF by libtiff: the first page. libtiff unpacks strips and tiles; this file turns their samples
// into pixels as Pillow does, because libtiff's own conversion to RGB rounds 16 bits and mixes inks
// differently.
#include <tiffio.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string_view>
#include <vector>

#include "mec/data/decoders/decoder.h"
#include "mec/data/decoders/exif.h"
#include "mec/tensor/error.h"
#include "mec/tensor/io/limits.h"

namespace mec {
namespace {

// A file in memory, and the first error that libtiff reports.
struct Source {
  Bytes file;
  std::uint64_t at = 0;
  std::array<char, 256> error{};
};

Source& source_of(thandle_t handle) { return *static_cast<Source*>(handle); }

tmsize_t read(thandle_t handle, void* to, tmsize_t count) {
  Source& source = source_of(handle);
  const std::uint64_t left =
      source.file.size() - std::min<std::uint64_t>(source.at, source.file.size());
  const std::uint64_t given = std::min(left, static_cast<std::uint64_t>(count));
  if (given > 0) std::memcpy(to, source.file.data() + source.at, given);
  source.at += given;
  return static_cast<tmsize_t>(given);
}

toff_t seek(thandle_t handle, toff_t offset, int from) {
  Source& source = source_of(handle);
  source.at = from == SEEK_SET   ? offset
              : from == SEEK_CUR ? source.at + offset
                                 : source.file.size() + offset;
  return source.at;
}

int keep_first_error(TIFF*, void* data, const char*, const char* format, va_list arguments) {
  Source& source = *static_cast<Source*>(data);
  if (source.error[0] == '\0')
    std::vsnprintf(source.error.data(), source.error.size(), format, arguments);
  return 1;  // libtiff's default handler, which prints, is not called
}

// Treats two kinds of warnings as errors. Where a part of the directory cannot be read, libtiff
// only warns and goes on, and may then take a picture with a palette for gray.
int keep_grave_warning(TIFF* tiff, void* data, const char* module, const char* format,
                       va_list arguments) {
  const std::string_view text(format);
  const bool is_grave = text.starts_with("IO error") || text.starts_with("Incorrect count");
  return is_grave ? keep_first_error(tiff, data, module, format, arguments) : 1;
}

struct Close {
  void operator()(TIFF* tiff) const { TIFFClose(tiff); }
  void operator()(TIFFOpenOptions* options) const { TIFFOpenOptionsFree(options); }
};
using Tiff = std::unique_ptr<TIFF, Close>;

Tiff open(Source& source) {
  const std::unique_ptr<TIFFOpenOptions, Close> options(TIFFOpenOptionsAlloc());
  check<IoError>(options != nullptr, "libtiff could not be started");
  TIFFOpenOptionsSetErrorHandlerExtR(options.get(), keep_first_error, &source);
  TIFFOpenOptionsSetWarningHandlerExtR(options.get(), keep_grave_warning, &source);
  const std::uint64_t most = limits::unpacked(source.file.size(), limits::kPixelRatio);
  TIFFOpenOptionsSetMaxSingleMemAlloc(options.get(), static_cast<tmsize_t>(std::min(most, std::uint64_t{1} << 31)));
  return Tiff(TIFFClientOpenExt(
      "", "rm", &source, read, [](thandle_t, void*, tmsize_t) { return tmsize_t{0}; }, seek,
      [](thandle_t) { return 0; },
      [](thandle_t handle) { return static_cast<toff_t>(source_of(handle).file.size()); }, nullptr,
      nullptr, options.get()));
}

[[noreturn]] void fail(const Source& source) {
  throw IoError(source.error[0] != '\0' ? source.error.data() : "the TIFF file is damaged");
}

template <class T> T field(TIFF* tiff, std::uint32_t tag, T otherwise) {
  T value = otherwise;
  return TIFFGetFieldDefaulted(tiff, tag, &value) == 1 ? value : otherwise;
}

// How the samples of a picture lie in the file, and what they mean.
struct Layout {
  std::uint32_t width, height;
  std::uint16_t bits, samples, photometric, format, planar;
  std::uint16_t alpha;                    // EXTRASAMPLE_…, of the first sample beyond the colours
  std::uint32_t colors;                   // samples that are colours
  std::uint32_t tile_width, tile_height;  // of a tile, or of a strip
  bool is_tiled;

  bool is_planar() const { return planar == PLANARCONFIG_SEPARATE && samples > 1; }
  std::uint32_t samples_together() const { return is_planar() ? 1 : samples; }
};

Layout read_layout(TIFF* tiff) {
  Layout l{};
  l.width = field<std::uint32_t>(tiff, TIFFTAG_IMAGEWIDTH, 0);
  l.height = field<std::uint32_t>(tiff, TIFFTAG_IMAGELENGTH, 0);
  check_image_size(l.width, l.height);
  l.bits = field<std::uint16_t>(tiff, TIFFTAG_BITSPERSAMPLE, 1);
  l.samples = field<std::uint16_t>(tiff, TIFFTAG_SAMPLESPERPIXEL, 1);
  l.photometric = field<std::uint16_t>(tiff, TIFFTAG_PHOTOMETRIC, PHOTOMETRIC_MINISWHITE);
  l.format = field<std::uint16_t>(tiff, TIFFTAG_SAMPLEFORMAT, SAMPLEFORMAT_UINT);
  l.planar = field<std::uint16_t>(tiff, TIFFTAG_PLANARCONFIG, PLANARCONFIG_CONTIG);
  std::uint16_t extra_count = 0;
  const std::uint16_t* extra = nullptr;
  TIFFGetFieldDefaulted(tiff, TIFFTAG_EXTRASAMPLES, &extra_count, &extra);
  l.alpha = extra_count > 0 ? extra[0] : std::uint16_t{EXTRASAMPLE_UNSPECIFIED};
  const bool has_three = l.photometric == PHOTOMETRIC_RGB || l.photometric == PHOTOMETRIC_YCBCR;
  l.colors = has_three ? 3 : l.photometric == PHOTOMETRIC_SEPARATED ? 4 : 1;
  l.is_tiled = TIFFIsTiled(tiff) != 0;
  l.tile_width = l.is_tiled ? field<std::uint32_t>(tiff, TIFFTAG_TILEWIDTH, 0) : l.width;
  l.tile_height =
      l.is_tiled ? field<std::uint32_t>(tiff, TIFFTAG_TILELENGTH, 0)
                 : std::min(l.height, field<std::uint32_t>(tiff, TIFFTAG_ROWSPERSTRIP, l.height));
  check_image_size(l.tile_width, l.tile_height);
  return l;
}

// What Pillow reads, and no more.
void check_layout(const Layout& l) {
  const bool is_gray =
      l.photometric == PHOTOMETRIC_MINISWHITE || l.photometric == PHOTOMETRIC_MINISBLACK;
  const bool is_palette = l.photometric == PHOTOMETRIC_PALETTE;
  check<IoError>(is_gray || is_palette || l.colors > 1,
                 "a TIFF file of photometric interpretation ", l.photometric,
                 ", which is not read");
  check<IoError>(l.samples >= l.colors && l.samples <= 6, "a TIFF file of ", l.samples,
                 " samples a pixel, which is not read");
  const bool small = l.bits == 1 || l.bits == 2 || l.bits == 4;
  const bool unsigned_fits = l.bits == 8 || (small && l.samples == 1 && l.colors == 1) ||
                             (l.bits == 16 && !is_palette) ||
                             (l.bits == 32 && l.samples == 1 && is_gray);
  const bool signed_fits =
      l.samples == 1 && is_gray && (l.bits == 8 || l.bits == 16 || l.bits == 32);
  const bool fits = l.format == SAMPLEFORMAT_UINT ? unsigned_fits
                    : l.format == SAMPLEFORMAT_INT
                        ? signed_fits
                        : l.format == SAMPLEFORMAT_IEEEFP && signed_fits && l.bits == 32;
  check<IoError>(fits, "a TIFF file of ", l.samples, " samples of ", l.bits,
                 " bits in sample format ", l.format, ", which is not read");
}

template <class T> T load(const std::uint8_t* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

// Sample i of a row, with 8 bits: gray and ink at full range, but an index as it is.
std::uint8_t sample(const Layout& l, const std::uint8_t* row, std::size_t i) {
  const bool is_index = l.photometric == PHOTOMETRIC_PALETTE;
  const bool is_signed = l.format == SAMPLEFORMAT_INT;
  if (l.bits == 32) {
    const std::uint8_t* const at = row + 4 * i;
    if (l.format == SAMPLEFORMAT_IEEEFP) return clip_to_8_bits(load<float>(at));
    return clip_to_8_bits(load<std::int32_t>(at));  // unsigned samples too, as in Pillow
  }
  if (l.bits == 16) {
    if (is_signed) return clip_to_8_bits(load<std::int16_t>(row + 2 * i));
    const auto value = load<std::uint16_t>(row + 2 * i);
    return l.samples == 1 ? clip_to_8_bits(value) : static_cast<std::uint8_t>(value >> 8);
  }
  if (l.bits == 8) return row[i];
  const std::size_t per_byte = 8U / l.bits;
  const std::uint32_t max = (1U << l.bits) - 1;
  const std::uint32_t value = row[i / per_byte] >> (8 - l.bits * (1 + i % per_byte)) & max;
  return static_cast<std::uint8_t>(is_index ? value : value * 255 / max);
}

// Undoes the multiplication of a colour by its alpha.
std::uint8_t divided(std::uint8_t color, std::uint8_t alpha) {
  return alpha == 0 ? std::uint8_t{0} : clip_to_8_bits(color * 255 / alpha);
}

// Unpacks every strip or tile of every plane into samples of 8 bits, (H,W,samples).
std::vector<std::uint8_t> read_samples(TIFF* tiff, const Layout& l, const Source& source) {
  if (field<std::uint16_t>(tiff, TIFFTAG_COMPRESSION, COMPRESSION_NONE) == COMPRESSION_NONE) {
    part_of(source.file, 0, std::uint64_t{l.width} * l.samples * l.bits / 8 * l.height);
  }
  check_unpacked(source.file, std::uint64_t{l.width} * l.height * l.samples);
  std::vector<std::uint8_t> samples(std::size_t{l.width} * l.height * l.samples);
  const std::uint32_t together = l.samples_together();
  const std::size_t row_bytes = (std::size_t{l.tile_width} * together * l.bits + 7) / 8;
  check_unpacked(source.file, row_bytes * l.tile_height);
  std::vector<std::uint8_t> piece(row_bytes * l.tile_height);
  for (std::uint32_t plane = 0; plane < (l.is_planar() ? l.samples : 1U); ++plane) {
    for (std::uint32_t top = 0; top < l.height; top += std::min(l.tile_height, l.height - top)) {
      const std::uint32_t rows = std::min(l.tile_height, l.height - top);
      for (std::uint32_t left = 0; left < l.width; left += std::min(l.tile_width, l.width - left)) {
        const auto wanted = static_cast<tmsize_t>(row_bytes * (l.is_tiled ? l.tile_height : rows));
        std::fill(piece.begin(), piece.end(), std::uint8_t{0});
        const auto number = static_cast<std::uint16_t>(plane);
        const tmsize_t got =
            l.is_tiled ? TIFFReadEncodedTile(tiff, TIFFComputeTile(tiff, left, top, 0, number),
                                             piece.data(), wanted)
                       : TIFFReadEncodedStrip(tiff, TIFFComputeStrip(tiff, top, number),
                                              piece.data(), wanted);
        if (got != wanted) fail(source);
        const std::size_t count = std::size_t{std::min(l.tile_width, l.width - left)} * together;
        for (std::uint32_t y = 0; y < rows; ++y) {
          const std::size_t to = (std::size_t{top + y} * l.width + left) * l.samples + plane;
          for (std::size_t i = 0; i < count; ++i) {
            samples[to + i * (l.is_planar() ? l.samples : 1)] = sample(l, &piece[y * row_bytes], i);
          }
        }
      }
    }
  }
  return samples;
}

using Palette = std::array<const std::uint16_t*, 3>;  // each of 2^bits values

Palette read_palette(TIFF* tiff, const Layout& l, const Source& source) {
  Palette p{};
  std::uint16_t *red = nullptr, *green = nullptr, *blue = nullptr;
  if (l.photometric == PHOTOMETRIC_PALETTE) {
    if (TIFFGetField(tiff, TIFFTAG_COLORMAP, &red, &green, &blue) != 1) fail(source);
    p = {red, green, blue};
  }
  return p;
}

Image to_image(Bytes file, const Layout& l, const std::vector<std::uint8_t>& samples, const Palette& palette) {
  const bool is_gray = l.colors == 1 && !palette[0];
  Image image = make_image(file, l.width, l.height, is_gray ? 1 : 3);
  const bool invert = l.photometric == PHOTOMETRIC_MINISWHITE && l.bits <= 8;
  const bool divide = l.alpha == EXTRASAMPLE_ASSOCALPHA && l.samples > l.colors && l.colors == 3;
  std::uint8_t* to = image.pixels.data();
  for (std::size_t at = 0; at < samples.size(); at += l.samples, to += image.channels) {
    const std::uint8_t* const pixel = &samples[at];
    if (palette[0]) {
      for (std::size_t i = 0; i < 3; ++i)
        to[i] = static_cast<std::uint8_t>(palette[i][pixel[0]] >> 8);
    } else if (l.colors == 4) {
      cmyk_to_rgb(pixel, to);
    } else {
      for (std::size_t i = 0; i < l.colors; ++i) {
        to[i] = invert   ? static_cast<std::uint8_t>(255 - pixel[i])
                : divide ? divided(pixel[i], pixel[3])
                         : pixel[i];
      }
    }
  }
  return image;
}

// YCbCr without JPEG compression: converted to RGB by libtiff, as in Pillow.
Image read_by_libtiff(TIFF* tiff, const Layout& l, const Source& source) {
  Image image = make_image(source.file, l.width, l.height, 3);
  std::vector<std::uint32_t> raster(std::size_t{l.width} * l.height);
  if (TIFFReadRGBAImageOriented(tiff, l.width, l.height, raster.data(), ORIENTATION_TOPLEFT, 1) !=
      1)
    fail(source);
  std::uint8_t* to = image.pixels.data();
  for (const std::uint32_t pixel : raster) {
    *to++ = static_cast<std::uint8_t>(TIFFGetR(pixel));
    *to++ = static_cast<std::uint8_t>(TIFFGetG(pixel));
    *to++ = static_cast<std::uint8_t>(TIFFGetB(pixel));
  }
  return image;
}

}  // namespace

DecodedImage decode_tiff(Bytes file) {
  Source source{.file = file};
  const Tiff tiff = open(source);
  if (!tiff) fail(source);
  const auto orientation =
      field<std::uint16_t>(tiff.get(), TIFFTAG_ORIENTATION, ORIENTATION_TOPLEFT);
  const auto compression = field<std::uint16_t>(tiff.get(), TIFFTAG_COMPRESSION, COMPRESSION_NONE);
  const Layout layout = read_layout(tiff.get());
  if (source.error[0] != '\0')
    fail(source);  // libtiff makes up what a damaged directory leaves out
  Image image;
  if (layout.photometric == PHOTOMETRIC_YCBCR && compression != COMPRESSION_JPEG) {
    TIFFSetField(tiff.get(), TIFFTAG_ORIENTATION, ORIENTATION_TOPLEFT);  // turned below
    image = read_by_libtiff(tiff.get(), layout, source);
  } else {
    if (layout.photometric == PHOTOMETRIC_YCBCR)
      TIFFSetField(tiff.get(), TIFFTAG_JPEGCOLORMODE, JPEGCOLORMODE_RGB);
    check_layout(layout);
    const Palette palette = read_palette(tiff.get(), layout, source);
    image = to_image(file, layout, read_samples(tiff.get(), layout, source), palette);
  }
  // TIFF is turned here, whatever data.exif_orientation says: its orientation is part of how rows
  // are stored, and Pillow applies it on loading.
  return {stand_upright(std::move(image), orientation >= 1 && orientation <= 8 ? orientation : 1),
          1};
}

}  // namespace mec
