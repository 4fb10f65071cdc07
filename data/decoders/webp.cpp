// WebP by libwebp; of an animation, the first picture on its canvas.
#include <webp/demux.h>

#include <algorithm>
#include <memory>

#include "mec/data/decoders/decoder.h"
#include "mec/data/decoders/exif.h"
#include "mec/tensor/error.h"

namespace mec {
namespace {

struct Delete {
  void operator()(WebPAnimDecoder* decoder) const { WebPAnimDecoderDelete(decoder); }
};

int orientation_of(const WebPAnimDecoder* decoder) {
  WebPChunkIterator chunk;
  int orientation = 1;
  if (WebPDemuxGetChunk(WebPAnimDecoderGetDemuxer(decoder), "EXIF", 1, &chunk) != 0) {
    orientation = find_orientation({chunk.chunk.bytes, chunk.chunk.size});
    WebPDemuxReleaseChunkIterator(&chunk);
  }
  return orientation;
}

}  // namespace

DecodedImage decode_webp(Bytes file) {
  WebPBitstreamFeatures features;
  const VP8StatusCode status = WebPGetFeatures(file.data(), file.size(), &features);
  check<IoError>(status != VP8_STATUS_NOT_ENOUGH_DATA, "the file is truncated");
  check<IoError>(status == VP8_STATUS_OK, "the WebP header is damaged (libwebp's status ",
                 int{status}, ")");
  DecodedImage decoded{
      make_image(file, static_cast<std::uint64_t>(features.width), static_cast<std::uint64_t>(features.height), 3), 1};

  WebPAnimDecoderOptions options;
  check<IoError>(WebPAnimDecoderOptionsInit(&options) != 0,
                 "libwebp is of another version than its header");
  options.color_mode = MODE_RGBA;
  const WebPData data{file.data(), file.size()};
  const std::unique_ptr<WebPAnimDecoder, Delete> decoder(WebPAnimDecoderNew(&data, &options));
  check<IoError>(decoder != nullptr, "the WebP file is truncated or damaged");
  WebPAnimInfo info;
  std::uint8_t* rgba = nullptr;  // belongs to the decoder
  int time = 0;
  check<IoError>(WebPAnimDecoderGetInfo(decoder.get(), &info) != 0 &&
                     static_cast<int>(info.canvas_width) == features.width &&
                     static_cast<int>(info.canvas_height) == features.height &&
                     WebPAnimDecoderGetNext(decoder.get(), &rgba, &time) != 0,
                 "the WebP data are truncated or damaged");
  decoded.orientation = orientation_of(decoder.get());
  std::vector<std::uint8_t>& rgb = decoded.image.pixels;
  for (std::size_t i = 0; 3 * i < rgb.size(); ++i) std::copy_n(rgba + 4 * i, 3, &rgb[3 * i]);
  return decoded;
}

}  // namespace mec
