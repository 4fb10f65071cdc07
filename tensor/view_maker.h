// ViewMaker: what a device offers that makes the views of a batch itself, from images as they are
// decoded.
//
// Beside Backend, not a part of it: every backend must have every kernel of that class, and this
// one only pays on a GPU. On CPUs the loader's workers make the views (data/augment), which is also
// what kernels here are tested against.
#pragma once

#include <array>
#include <cstdint>

#include "mec/tensor/tensor.h"
#include "mec/tensor/view_params.h"

namespace mec {

// Where an image (height,width,channels) lies among the pixels of its batch.
struct ImageRecord {
  std::int64_t offset = 0;  // of its first byte
  std::int32_t height = 0;
  std::int32_t width = 0;
};

struct MakeViewsArgs {
  int channels = 3;  // of the images, 1 or 3; those that y has more are zeros
  // y = scale·x + shift of a pixel value x in [0, 255], for each channel.
  std::array<float, 3> scale = {};
  std::array<float, 3> shift = {};
};

class ViewMaker {
 public:
  virtual ~ViewMaker() = default;
  // y[i] (H,W,C) = the view params[i] of images[i]. pixels (P) u8, images and params (N, bytes of a
  // record) u8, y (N,H,W,C) f32 or bf16 with a multiple of eight channels. Trusts that each record
  // has passed validate() of ops/views.h.
  virtual void make_views(In pixels, In images, In params, Out y, const MakeViewsArgs&) = 0;

  // The height of a crop, in multiples of the height that it is resized to.
  static constexpr int kMostShrinking = 255;
  static constexpr int kMostBlur = 256;  // a blur's radius
};

}  // namespace mec
