// Features: one row for each image, from an encoder or straight from the pixels.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "mec/data/image_array.h"
#include "mec/data/loader/loader.h"
#include "mec/distributed/communicator.h"
#include "mec/nn/module.h"

namespace mec {

struct Features {
  Tensor x;                                   // (N,d) f32
  std::vector<std::int32_t> labels;           // (N), or empty
  std::vector<std::string> class_names = {};  // of labels 0, 1, …; empty where labels have no names
};

// One more than the largest label. ShapeError unless x is a matrix with a label for each row,
// ValueError for a negative label or none at all; `op` names the caller.
std::int64_t count_classes(const char* op, const Features& features);

// All images in order, in batches with a single view.
struct ImageStream {
  std::int64_t size = 0;
  std::int64_t file_channels = 0;  // a device may store more, filled with zeros
  std::function<std::optional<Batch>()> next;
  std::vector<std::string> class_names = {};  // of the batches' labels
  // Of several ranks: next() gives batches in turn, the first rank the first, the last batch of all
  // perhaps with fewer images than `batch`.
  std::int64_t batch = 0;
  CommunicatorPtr ranks = one_process();
  Device device = {};  // of the batches: ranks gather there what they made of them
};

// Images that pass an encoder at a time. In batches of another size they may be summed in another
// order.
inline constexpr std::int64_t kEmbedBatch = 256;

struct StreamOptions {
  std::int64_t batch = kEmbedBatch;
  int workers = 1;                        // threads that decode
  CommunicatorPtr ranks = one_process();  // that share the images
  // Images that cannot be read, as for a Loader.
  OnBroken on_broken = OnBroken::stop;
  std::int64_t broken_limit = 100;
  BrokenListener on_skipped = {};
};

// A data set in its fixed evaluation view. next() throws errors in reading the images of its batch.
ImageStream stream_dataset(const DatasetPtr& dataset, const TransformPtr& eval_view, const Device& device,
                           const StreamOptions& options = {});

// Images in memory in the same view, which gives the same bits. Their pixels outlive the stream. No
// thread is started, and no image is skipped. ShapeError, ValueError as validate().
ImageStream stream_images(const ImageArray& images, const TransformPtr& eval_view, const Device& device,
                          const StreamOptions& options = {});

// An array of images (N,H,W,C), f32 and normalised already, as they are. ShapeError unless there
// are four dimensions; DtypeError for another element type; ValueError, naming `name` and the
// position, for a value that is not finite.
ImageStream stream_array(const Tensor& images, const std::string& name, const Device& device,
                         const StreamOptions& options = {});

// The encoder's output in f32, in evaluation mode and without a graph; images enter it as `dtype`.
// ShapeError when it does not give one row for each image, NumericalError for a feature that is not
// finite.
//
// Of a stream that several ranks share, each embeds its batches, and the first one has the features
// of all: the same bits as alone, since batches are the same. The others have neither rows nor
// labels. All ranks' encoders must be the same.
Features embed(const Module& encoder, const ImageStream& images, Dtype dtype = Dtype::f32);

// The streamed pixels themselves, d = H·W·C. Of several ranks as with embed().
Features pixel_features(const ImageStream& images);

// "the one at [1,0] is nan" of the first value that is not finite; "" where all are. Any floating
// dtype.
std::string nonfinite_value(const Tensor& x);

// Throws E, naming `name` and the position, for a value that is not finite.
template <class E = ValueError> void check_finite(const Tensor& x, const std::string& name) {
  const std::string bad = nonfinite_value(x);
  check<E>(bad.empty(), name, ": all values must be finite, but ", bad);
}

}  // namespace mec
