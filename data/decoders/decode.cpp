#include "mec/data/decoders/decode.h"

#include "mec/data/decoders/decoder.h"
#include "mec/data/decoders/exif.h"
#include "mec/data/decoders/image_formats.h"
#include "mec/tensor/error.h"
#include "mec/tensor/io/input_file.h"

namespace mec {

Image decode_image(std::span<const std::uint8_t> file, const DecodeOptions& options,
                   const std::string& name) {
  check<ValueError>(options.channels == 1 || options.channels == 3,
                    "decode_image: images have 1 or 3 channels, not ", options.channels);
  check<IoError>(!file.empty(), name, ": the image file is empty");
  const ImageFormat* const format = recognize_image(file);
  check<IoError>(format != nullptr, name,
                 ": by its first bytes none of the image files that this build reads (",
                 list_read_formats(), ")");
  if (!format->is_read())
    throw IoError(concat(name, ": this build does not read ", format->name, ": ", format->note));
  DecodedImage decoded;
  try {
    decoded = format->decode(file);
  } catch (const IoError& error) {
    throw IoError(concat(name, ": the ", format->name, " file cannot be decoded: ", error.what()));
  }
  if (options.exif_orientation)
    decoded.image = stand_upright(std::move(decoded.image), decoded.orientation);
  return with_channels(std::move(decoded.image), options.channels);
}

Image read_image(const std::filesystem::path& path, const DecodeOptions& options) {
  return decode_image(read_file(path), options, path.string());
}

}  // namespace mec
