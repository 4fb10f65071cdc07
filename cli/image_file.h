// Images of an .npy file, for an encoder.
#pragma once

#include <string>
#include <vector>

#include "mec/cli/encoder_source.h"

namespace mec::cli {

// The array, and the pixels where they are bytes.
struct ImageFile {
  Tensor array;
  std::vector<std::uint8_t> pixels;
};

// (N,H,W,C) with the channels that the encoder takes. ShapeError, naming the file.
ImageFile read_images(const std::string& path, const EncoderSource& source);
// In the encoder's view where they are bytes; as they are where they are f32, normalised already.
// The file's images outlive the stream.
ImageStream stream_file(const ImageFile& images, const EncoderSource& source, const std::string& path, const Device& device,
                        const StreamOptions& options);

}  // namespace mec::cli
