#include "mec/capi/encoder.h"

#include <algorithm>

#include "mec/capi/arguments.h"
#include "mec/eval/features.h"
#include "mec/ssl/run/saved_encoder.h"
#include "mec/tensor/devices.h"

namespace mec::capi {

namespace {

ImageStream stream(const Encoder& encoder, const mec_images& images) {
  if (images.dtype != MEC_F32) {
    const ImageArray bytes = bytes_of(images, "MEC_U8, or MEC_F32 that are normalised");
    return stream_images(bytes, eval_view_of(encoder.info, bytes.size()), encoder.device);
  }
  const Shape shape{images.count, images.height, images.width, images.channels};
  check_given(images.pixels, "mec_images.pixels");
  return stream_array(Tensor::from_bytes(images.pixels, shape, Dtype::f32, encoder.device), "mec_images", encoder.device);
}

void embed_images(const Encoder& encoder, const mec_images& images, float* features) {
  const std::int64_t channels = encoder.info.encoder.in_channels;
  check<ShapeError>(images.count > 0 && images.height > 0 && images.width > 0 && images.channels == channels,
                    "the encoder takes images (N,H,W,", channels, "), but got (", images.count, ",", images.height, ",",
                    images.width, ",", images.channels, ")");
  check_pixels(images.height, images.width, "");
  const std::int64_t bytes_of_one =
      images.height * images.width * images.channels * (images.dtype == MEC_F32 ? std::int64_t{sizeof(float)} : 1);
  mec_images part = images;  // so that no copy of all images is made
  for (std::int64_t done = 0; done < images.count; done += part.count) {
    part.count = std::min(kEmbedBatch, images.count - done);
    if (images.pixels != nullptr) part.pixels = static_cast<const std::byte*>(images.pixels) + done * bytes_of_one;
    const Tensor rows = embed(encoder.network, stream(encoder, part)).x;
    rows.download(features + done * rows.dim(1));
  }
}

}  // namespace

}  // namespace mec::capi

using namespace mec;
using namespace mec::capi;

mec_status mec_encoder_open(const char* source, const mec_device* device, mec_encoder** encoder) {
  return guarded("mec_encoder_open", [&] {
    open_handle<Encoder>(encoder, [&] {
      const SavedEncoder saved(text_of(source, "source"));
      const Device where = open_device(device).device;
      return Encoder{.device = where, .info = saved.info(), .network = saved.load(where)};
    });
  });
}

mec_status mec_encoder_describe(mec_encoder* encoder, mec_encoder_info* info) {
  return guarded("mec_encoder_describe", [&] {
    const Use<Encoder> use(encoder);
    mec_encoder_info values{};
    values.channels = use->info.encoder.in_channels;
    values.image_size = use->info.image_size;
    values.features = use->network.out_features();
    std::ranges::copy(use->info.mean, values.mean);
    std::ranges::copy(use->info.std, values.std);
    write_struct(values, info, "mec_encoder_info");
  });
}

mec_status mec_encoder_embed(mec_encoder* encoder, const mec_images* images, float* features) {
  return guarded("mec_encoder_embed", [&] {
    const Use<Encoder> use(encoder);
    check_given(images, "images");
    check_result(features, "features");
    embed_images(*use, *images, features);
  });
}

mec_status mec_encoder_free(mec_encoder* encoder) {
  return guarded("mec_encoder_free", [&] { handles<Encoder>().free(encoder); });
}
