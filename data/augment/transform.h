// How the loader turns each image into one or more views, the network's input.
#pragma once

#include <memory>
#include <span>

#include "mec/data/augment/eval_view.h"
#include "mec/data/augment/view.h"

namespace mec {

// Pure: the same arguments give the same bits, on any thread.
class Transform {
 public:
  virtual ~Transform() = default;
  virtual int views() const = 0;
  virtual ImageSize size(int view) const = 0;
  virtual const Normalization& normalization() const = 0;
  // The parameters of view key.view of an image of size `image`.
  virtual ViewParams draw(ImageSize image, const ViewKey& key) const = 0;

  // Writes view key.view of the image to out (H,W,image_channels) f32; channels past the image's
  // are 0.
  void apply(const Image& image, const ViewKey& key, std::int64_t image_channels, std::span<float> out) const;
};
using TransformPtr = std::shared_ptr<const Transform>;

// Random views, as many as there are settings. ValueError for settings out of range.
TransformPtr make_augmentation(AugmentSettings settings, Normalization normalization);

// One fixed view.
TransformPtr make_eval_transform(const EvalViewSettings& settings, Normalization normalization);

}  // namespace mec
