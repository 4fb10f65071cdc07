// The kernel that makes the views of a batch from images as they are decoded. Only devices where
// this pays have the kernel. Elsewhere the loader's workers make the views (data/augment); the
// kernel is tested against them.
#pragma once

#include <array>
#include <cstdint>

#include "mec/tensor/in_out.h"
#include "mec/tensor/kernels/kernel.h"
#include "mec/tensor/view_params.h"

namespace mec {

// Where an image (height,width,channels) lies among the pixels of its batch.
struct ImageRecord {
  std::int64_t offset = 0;  // of its first byte
  std::int32_t height = 0;
  std::int32_t width = 0;
};

struct MakeViewsArgs {
  int channels = 3;  // of the images, 1 or 3; further channels of y are zeros
  // y = scale·x + shift of a pixel value x in [0, 255], for each channel.
  std::array<float, 3> scale = {};
  std::array<float, 3> shift = {};
};

namespace kernel {

// y[i] (H,W,C) = the view params[i] of images[i]. pixels (P) u8, images and params (N, bytes of a
// record) u8, y (N,H,W,C) f32 or bf16 with a multiple of eight channels. Trusts that each record
// has passed validate() of ops/views.h.
struct MakeViews {
  static constexpr auto name = "make_views";
  In pixels, images, params;
  Out y;
  MakeViewsArgs args;

  // Largest height of a crop, in multiples of the height that it is resized to.
  static constexpr int kMostShrinking = 255;
  static constexpr int kMostBlur = 256;  // largest radius of a blur
};

}  // namespace kernel

using ViewKernels = Family<kernel::MakeViews>;

}  // namespace mec
