#include "mec/tensor/ops/views.h"

#include <algorithm>
#include <cmath>

#include "mec/tensor/ops/common.h"

namespace mec {
using namespace ops;
namespace {

void check_records(const Tensor& records, std::size_t size, const char* what) {
  check_rank("make_views", records, 2, what, "(N, bytes of a record)");
  check_dtype("make_views", records, Dtype::u8, what);
  check<ShapeError>(records.dim(1) == static_cast<std::int64_t>(size), "make_views: a record of ", what, " has ", size,
                    " bytes, but got ", records.shape());
}

}  // namespace

Tensor make_views(const ViewInputs& inputs, const ViewFormat& format, const MakeViewsArgs& args) {
  check_rank("make_views", inputs.pixels, 1, "the pixels", "(P)");
  check_dtype("make_views", inputs.pixels, Dtype::u8, "the pixels");
  check_records(inputs.images, sizeof(ImageRecord), "the images");
  check_records(inputs.params, sizeof(ViewParams), "the parameters");
  check_device("make_views", {&inputs.pixels, &inputs.images, &inputs.params});
  const std::int64_t n = inputs.images.dim(0);
  check<ShapeError>(inputs.params.dim(0) == n, "make_views: ", n, " images, but parameters ", inputs.params.shape());
  check<ValueError>(args.channels == 1 || args.channels == 3, "make_views: images have 1 or 3 channels, not ", args.channels);
  check<DtypeError>(format.dtype == Dtype::f32 || format.dtype == Dtype::bf16, "make_views: views are f32 or bf16, not ",
                    format.dtype);
  Backend& device = inputs.pixels.backend();
  check<DeviceError>(device.view_kernels() != nullptr, "make_views: the ", device.name(),
                     " device makes no views; see data/augment");
  const std::int64_t channels = device.image_channels(args.channels);
  check<ShapeError>(channels % 8 == 0, "make_views: views have a multiple of 8 channels, but the ", device.name(),
                    " device stores images in ", channels);
  Tensor y({n, format.height, format.width, channels}, format.dtype, inputs.pixels.device());
  if (y.numel() != 0) device.run(kernel::MakeViews{inputs.pixels, inputs.images, inputs.params, y, args});
  return y;
}

void validate(const ViewParams& p, const ImageRecord& image, const ViewFormat& format) {
  const CropBox& crop = p.crop;
  check<ValueError>(crop.top >= 0 && crop.left >= 0 && crop.height > 0 && crop.width > 0 &&
                        crop.height <= image.height - crop.top && crop.width <= image.width - crop.left,
                    "make_views: the crop of ", crop.width, "x", crop.height, " at (", crop.left, ", ", crop.top,
                    ") does not lie within the image of ", image.width, "x", image.height);
  check<ValueError>(p.window_top >= 0 && p.window_left >= 0 && format.height <= p.to_height - p.window_top &&
                        format.width <= p.to_width - p.window_left,
                    "make_views: the view of ", format.width, "x", format.height, " at (", p.window_left, ", ", p.window_top,
                    ") does not lie within the resized crop of ", p.to_width, "x", p.to_height);
  check<ValueError>(crop.height <= std::int64_t{kernel::MakeViews::kMostShrinking} * p.to_height, "make_views: a crop of ",
                    crop.height, " rows is made into ", p.to_height, ", but shrinks at most by ",
                    kernel::MakeViews::kMostShrinking, "; take larger views or smaller images");
  constexpr std::array kEach{Jitter::brightness, Jitter::contrast, Jitter::saturation, Jitter::hue};
  check<ValueError>(std::ranges::is_permutation(p.jitter_order, kEach),
                    "make_views: the order of the jitter does not name each of its operations once");
  if (p.blur_sigma == 0.0F) return;
  check<ValueError>(p.blur_sigma > 0.0F && std::isfinite(p.blur_sigma), "make_views: the blur's sigma is ", p.blur_sigma,
                    "; it is positive, or 0 for none");
  check<ValueError>(p.blur_radius >= 0 && p.blur_radius < std::min(format.height, format.width) &&
                        p.blur_radius <= kernel::MakeViews::kMostBlur,
                    "make_views: the blur reaches ", p.blur_radius, " pixels in a view of ", format.width, "x", format.height,
                    "; it reaches at most ", kernel::MakeViews::kMostBlur,
                    " and less than the view; take a smaller sigma or kernel");
}

}  // namespace mec
