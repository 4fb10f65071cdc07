// Views of images, made on a device that can: Backend::view_kernels().
#pragma once

#include "mec/tensor/kernels/views.h"
#include "mec/tensor/tensor.h"

namespace mec {

// A batch of images of any sizes on the device; records are raw bytes there.
struct ViewInputs {
  Tensor pixels;  // (P) u8
  Tensor images;  // (N, sizeof(ImageRecord)) u8
  Tensor params;  // (N, sizeof(ViewParams)) u8
};

struct ViewFormat {
  std::int64_t height = 0;
  std::int64_t width = 0;
  Dtype dtype = Dtype::f32;
};

// (N,height,width,C) f32 or bf16, with the C channels in which the device stores images of
// args.channels. DeviceError where the device makes no views. The records' values are not looked
// at, since they lie on the device: let them pass validate() before they go there.
Tensor make_views(const ViewInputs& inputs, const ViewFormat& format, const MakeViewsArgs& args);

// ValueError for a crop or a window that is not within its image, and for what the kernel is not
// made for (kernel::MakeViews): a crop more than kMostShrinking times as high as what it is resized
// to, a blur that reaches more than kMostBlur pixels or over the edge.
void validate(const ViewParams& params, const ImageRecord& image, const ViewFormat& format);

}  // namespace mec
