// Batches of views, made by worker threads ahead of the consumer.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "mec/data/augment/transform.h"
#include "mec/data/dataset.h"
#include "mec/data/loader/broken_images.h"
#include "mec/tensor/tensor.h"

namespace mec {

struct Batch {
  std::int64_t epoch = 0;
  std::int64_t index = 0;            // within the epoch
  std::vector<Tensor> views;         // each (N,H,W,C) f32
  std::vector<std::int64_t> ids;     // (N) numbers in the data set, of the images that were read
  std::vector<std::int32_t> labels;  // (N), or empty where the data set has none
};

struct LoaderOptions {
  std::int64_t batch = 256;
  std::int64_t epochs = 1;
  bool shuffle = false;    // another order in each epoch, by seed and epoch
  bool drop_last = false;  // leave out a last batch that is not full, as in training
  std::uint64_t seed = 0;
  // Threads; 0 makes each batch in the calling thread when it is asked for.
  int workers = 0;
  int prefetch = 2;  // batches that workers may be ahead by
  // Where to start, as after a resume: the rest is the same as without a stop.
  std::int64_t first_epoch = 0;
  std::int64_t first_batch = 0;
  // Of several processes: each gives its equal part of the images of every batch, the ranks' parts
  // one after the other. Without drop_last they give whole batches in turn, the first rank the
  // first: batches are those of one process.
  std::int64_t rank = 0, ranks = 1;

  OnBroken on_broken = OnBroken::stop;
  // With OnBroken::skip: where more different images than this fail for one place, next() throws
  // all the same. The folder may have gone.
  std::int64_t broken_limit = 100;
  // Called by next() before it gives a batch, once for each image that was skipped there, in the
  // batch's order. What it throws, next() throws.
  BrokenListener on_skipped = {};
  // Asked some ten times a second while next() waits for workers, who may never come back from a
  // file; true: next() gives nothing. A later call waits for the same batch.
  std::function<bool()> give_up = {};
};

// Training on random views: shuffled, whole batches only.
inline LoaderOptions training_options() { return {.shuffle = true, .drop_last = true}; }

// The order of `count` images in an epoch: a Fisher–Yates shuffle, keyed by seed and epoch.
std::vector<std::int64_t> epoch_order(std::int64_t count, std::uint64_t seed, std::int64_t epoch);

// Gives the batches of epochs [first_epoch, epochs) one after another. Their order and every bit of
// them depend on data set, transform, seed and where views are made (by workers, or by a device
// that has ViewKernels), not on the number of workers. Each image is decoded once for all of its
// views. What takes the place of a broken image is drawn by seed, epoch and that image's number, as
// are its views.
class Loader {
 public:
  // ValueError for options out of range, such as a batch larger than the data set with drop_last.
  Loader(DatasetPtr dataset, TransformPtr transform, const LoaderOptions& options, Device device);
  ~Loader();  // also before the last batch: workers finish their current chunk and stop
  Loader(const Loader&) = delete;
  Loader& operator=(const Loader&) = delete;

  std::int64_t batches_per_epoch() const;
  // The next batch, or nothing after the last one and where the wait was given up. A
  // BrokenImageError where an image's file is missing or damaged; rethrows other exceptions from
  // reading or transforming an image. It is that of the first failed image of the batch, and comes
  // again at every further call.
  std::optional<Batch> next();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace mec
