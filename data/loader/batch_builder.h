// Builds a batch: workers add its images, the consumer takes the views.
#pragma once

#include <memory>
#include <vector>

#include "mec/data/augment/transform.h"
#include "mec/tensor/tensor.h"

namespace mec {

// A builder's memory is reused for later batches.
class BatchBuilder {
 public:
  // Images that a worker takes at a time: small enough that all workers share the first batch.
  static constexpr std::int64_t kChunk = 16;

  virtual ~BatchBuilder() = default;
  virtual void start(std::int64_t images) = 0;
  // Adds image `at` of the batch; the builder sets key.view. Thread-safe across disjoint chunks
  // [i·kChunk, (i + 1)·kChunk). Throws where the transform cannot take the image; add() may then be
  // called again for the same `at`.
  virtual void add(std::int64_t at, const Image& image, const ViewKey& key) = 0;
  // The views, each (N,H,W,C) f32. Call when all images have been added.
  virtual std::vector<Tensor> finish() = 0;
};

// Images have `channels` channels. Where the device has ViewKernels, it makes the views from the
// decoded images; elsewhere add() makes them on the host. Both draw the same parameters; their
// pixels differ by the rounding of sums.
std::unique_ptr<BatchBuilder> make_batch_builder(TransformPtr transform, int channels, Device device);

}  // namespace mec
