// What becomes of a batch's images: workers add them, the consumer gets the views.
#pragma once

#include <memory>
#include <vector>

#include "mec/data/augment/transform.h"
#include "mec/tensor/tensor.h"

namespace mec {

// Its memory is used again for later batches.
class BatchBuilder {
 public:
  // Images that a worker takes at a time: small enough that all workers share the first batch.
  static constexpr std::int64_t kChunk = 16;

  virtual ~BatchBuilder() = default;
  virtual void start(std::int64_t images) = 0;
  // Image `at` of the batch; key.view is left to the builder. Thread-safe across disjoint chunks
  // [i·kChunk, (i + 1)·kChunk). Throws what makes the image unfit for the transform; it may then be
  // added again.
  virtual void add(std::int64_t at, const Image& image, const ViewKey& key) = 0;
  // Each (N,H,W,C) f32, when all images have been added.
  virtual std::vector<Tensor> finish() = 0;
};

// Images have `channels` channels. Where the device has ViewKernels, it makes the views, of images
// as they are decoded; elsewhere add() makes them. Both draw the same parameters; their pixels
// differ by the rounding of sums.
std::unique_ptr<BatchBuilder> make_batch_builder(TransformPtr transform, int channels, Device device);

}  // namespace mec
