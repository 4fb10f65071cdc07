#include "mec/eval/features.h"

#include <algorithm>
#include <cmath>
#include <memory>

#include "mec/data/loader/batch_builder.h"
#include "mec/nn/layout.h"
#include "mec/tensor/backend.h"
#include "mec/tensor/devices.h"
#include "mec/tensor/ops.h"
#include "mec/tensor/position.h"

namespace mec {

namespace {

// Rows of one batch; none where a rank has no batch left.
struct Rows {
  Tensor x;  // (n,d)
  std::vector<std::int32_t> labels;
};

template <class Make> Rows next_rows(const ImageStream& images, const Make& make) {
  const std::optional<Batch> batch = images.next();
  if (!batch) return {};
  const Tensor& view = batch->views.at(0);
  Rows rows{.x = make(view), .labels = batch->labels};
  check<ShapeError>(rows.x.rank() == 2 && rows.x.dim(0) == view.dim(0), "embed: images ", view.shape(),
                    " should give as many rows, but the result is ", rows.x.shape());
  return rows;
}

// The rows of one round, in which each rank has made those of one batch, as far as there are some.
// Batches are full but for the last of all, so that the rows that count stand first, in order.
Rows gather_round(const Rows& own, std::int64_t count, const ImageStream& images) {
  Communicator& ranks = *images.ranks;
  if (ranks.size() == 1) return own;
  // The first rank has a batch in every round.
  const std::int64_t width = ranks.broadcast(own.x ? own.x.dim(1) : 0);
  const bool labelled = ranks.broadcast(own.labels.empty() ? 0 : 1) > 0;
  // On the same device on all ranks: a device may have a way of its own between ranks.
  const Tensor padded = Tensor::zeros({images.batch, width}, Dtype::f32, images.device);
  if (own.x) padded.rows(0, own.x.dim(0)).copy_from(own.x);
  Rows all{.x = ranks.all_gather(padded).rows(0, count), .labels = {}};
  if (!labelled) return all;
  std::vector<std::int32_t> labels = own.labels;
  labels.resize(static_cast<std::size_t>(images.batch));
  const Device host = make_cpu_device({.threads = 1});
  all.labels = ranks.all_gather(Tensor::from(labels, {images.batch}, host)).rows(0, count).to_vector<std::int32_t>();
  return all;
}

// Turns each batch of images into rows (n,d), and stacks them in one matrix.
template <class Make> Features stack(const ImageStream& images, const Make& make) {
  check<ValueError>(images.size > 0, "embed: there are no images");
  Features all{.x = {}, .labels = {}, .class_names = images.class_names};
  const std::int64_t ranks = images.ranks->size(), rank = images.ranks->rank();
  std::int64_t done = 0;
  while (done < images.size) {
    const Rows own = next_rows(images, make);
    const std::int64_t came = own.x ? own.x.dim(0) : 0, left = images.size - done;
    const std::int64_t due = ranks == 1 ? std::clamp<std::int64_t>(came, 1, left)
                                        : std::clamp(left - rank * images.batch, std::int64_t{0}, images.batch);
    check<ShapeError>(came == due, "embed: ", images.size, " images were announced, but at ", done, " came ", came, " more");
    const std::int64_t count = ranks == 1 ? came : std::min(ranks * images.batch, left);
    const Rows round = gather_round(own, count, images);
    if (rank == 0) {
      if (!all.x) all.x = Tensor({images.size, round.x.dim(1)}, Dtype::f32, round.x.device());
      all.x.rows(done, done + count).copy_from(round.x);
      all.labels.insert(all.labels.end(), round.labels.begin(), round.labels.end());
    }
    done += count;
  }
  return all;
}

// The rows of this rank's batches, one after another, of images in memory; none behind the last.
class OwnRows {
 public:
  OwnRows(std::int64_t images, const StreamOptions& options)
      : images_(images), batch_(options.batch), ranks_(options.ranks->size()), begin_(options.ranks->rank() * options.batch) {
    check<ValueError>(batch_ > 0, "embed: a batch has at least one image, but is ", batch_);
  }

  struct Range {
    std::int64_t begin, end;
  };
  std::optional<Range> next() {
    if (begin_ >= images_) return std::nullopt;
    const Range rows{begin_, std::min(begin_ + batch_, images_)};
    begin_ += batch_ * ranks_;
    return rows;
  }

 private:
  std::int64_t images_, batch_, ranks_, begin_;
};

}  // namespace

std::int64_t count_classes(const char* op, const Features& features) {
  check<ShapeError>(features.x && features.x.rank() == 2, op, ": features are a matrix (N,d)");
  check<ValueError>(!features.labels.empty(), op, ": labels are needed, but the data have none");
  check<ShapeError>(static_cast<std::int64_t>(features.labels.size()) == features.x.dim(0), op, ": features ",
                    features.x.shape(), " need as many labels as rows, but there are ", features.labels.size());
  const auto [low, high] = std::minmax_element(features.labels.begin(), features.labels.end());
  check<ValueError>(*low >= 0, op, ": labels count from 0, but one is ", *low);
  return std::int64_t{*high} + 1;
}

ImageStream stream_dataset(const DatasetPtr& dataset, const TransformPtr& eval_view, const Device& device,
                           const StreamOptions& options) {
  const auto loader = std::make_shared<Loader>(dataset, eval_view,
                                               LoaderOptions{.batch = options.batch,
                                                             .workers = options.workers,
                                                             .rank = options.ranks->rank(),
                                                             .ranks = options.ranks->size(),
                                                             .on_broken = options.on_broken,
                                                             .broken_limit = options.broken_limit,
                                                             .on_skipped = options.on_skipped},
                                               device);
  return {.size = dataset->size(),
          .file_channels = dataset->info().channels,
          .next = [loader] { return loader->next(); },
          .class_names = dataset->info().class_names,
          .batch = options.batch,
          .ranks = options.ranks,
          .device = device};
}

ImageStream stream_images(const ImageArray& images, const TransformPtr& eval_view, const Device& device,
                          const StreamOptions& options) {
  validate(images, "embed");
  const std::shared_ptr<BatchBuilder> builder = make_batch_builder(eval_view, static_cast<int>(images.channels), device);
  const auto next = [=, own = OwnRows(images.count, options)]() mutable -> std::optional<Batch> {
    const auto rows = own.next();
    if (!rows) return std::nullopt;
    builder->start(rows->end - rows->begin);
    for (std::int64_t i = rows->begin; i < rows->end; ++i) builder->add(i - rows->begin, images.image(i), {});
    Batch batch;
    batch.views = builder->finish();
    return batch;
  };
  return {.size = images.count,
          .file_channels = images.channels,
          .next = next,
          .batch = options.batch,
          .ranks = options.ranks,
          .device = device};
}

ImageStream stream_array(const Tensor& images, const std::string& name, const Device& device, const StreamOptions& options) {
  check<ShapeError>(images.rank() == 4 && images.numel() > 0, name, ": images are (N,H,W,C), but the array is ",
                    images.shape());
  check<DtypeError>(images.dtype() == Dtype::f32, name, ": images are normalised f32 or raw u8, but the array is ",
                    images.dtype());
  check_finite(images, name);
  const std::int64_t channels = images.dim(3), size = images.dim(0);
  const auto next = [=, own = OwnRows(size, options)]() mutable -> std::optional<Batch> {
    const auto rows = own.next();
    if (!rows) return std::nullopt;
    Batch batch;
    batch.views = {with_channels(images.rows(rows->begin, rows->end).to(device), device->image_channels(channels))};
    return batch;
  };
  return {
      .size = size, .file_channels = channels, .next = next, .batch = options.batch, .ranks = options.ranks, .device = device};
}

Features embed(const Module& encoder, const ImageStream& images, Dtype dtype) {
  const NoGrad no_grad;
  Features features =
      stack(images, [&](const Tensor& view) { return encoder.forward(Variable(view.to(dtype)), kEvaluation).data(); });
  if (features.x) check_finite<NumericalError>(features.x, "embed: the encoder's features");
  return features;
}

Features pixel_features(const ImageStream& images) {
  return stack(images, [&](const Tensor& view) {
    const Tensor pixels = view.dim(3) == images.file_channels ? view : with_channels(view, images.file_channels);
    return pixels.reshape({pixels.dim(0), -1});
  });
}

std::string nonfinite_value(const Tensor& x) {
  constexpr std::int64_t kPiece = 1 << 20;  // so that the copies take little memory
  for (std::int64_t begin = 0; begin < x.numel(); begin += kPiece) {
    const Tensor piece = x.segment(begin, {std::min(kPiece, x.numel() - begin)});
    const auto values = piece.to(Dtype::f64).to_vector<double>();
    const auto bad = std::ranges::find_if(values, [](double v) { return !std::isfinite(v); });
    if (bad == values.end()) continue;
    return concat("the one at ", position_of(begin + (bad - values.begin()), x.shape()), " is ", *bad);
  }
  return "";
}

}  // namespace mec
