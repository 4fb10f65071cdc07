#include "mec/cli/image_file.h"

#include "mec/tensor/devices.h"
#include "mec/tensor/io/npy.h"

namespace mec::cli {

// Checks the images before the encoder does: its first convolution would report the number of
// channels that the device stores, not the file's.
ImageFile read_images(const std::string& path, const EncoderSource& source) {
  ImageFile images{.array = read_npy(path, make_reference_device()), .pixels = {}};
  const Tensor& array = images.array;
  const std::int64_t channels = source.info().encoder.in_channels;
  check<ShapeError>(array.rank() == 4 && array.dim(3) == channels, path, ": the encoder takes images (N,H,W,", channels,
                    "), but the array is ", array.shape());
  if (array.dtype() == Dtype::u8) images.pixels = array.to_vector<std::uint8_t>();
  return images;
}

ImageStream stream_file(const ImageFile& images, const EncoderSource& source, const std::string& path, const Device& device,
                        const StreamOptions& options) {
  const Shape& shape = images.array.shape();
  if (images.array.dtype() != Dtype::u8) return stream_array(images.array, path, device, options);
  return source.stream(
      {.pixels = images.pixels.data(), .count = shape[0], .height = shape[1], .width = shape[2], .channels = shape[3]}, device,
      options);
}

}  // namespace mec::cli
