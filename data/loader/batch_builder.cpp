#include "mec/data/loader/batch_builder.h"

#include <new>

#include "mec/tensor/backend.h"
#include "mec/tensor/machine_memory.h"
#include "mec/tensor/ops/views.h"

namespace mec {
namespace {

// Makes views in host memory, on the thread that adds the image.
class HostViews final : public BatchBuilder {
 public:
  HostViews(TransformPtr transform, int channels, Device device)
      : transform_(std::move(transform)),
        device_(std::move(device)),
        image_channels_(device_->image_channels(channels)),
        views_(static_cast<std::size_t>(transform_->views())) {}

  void start(std::int64_t images) override {
    images_ = images;
    std::uint64_t bytes = 0;
    for (int v = 0; v < transform_->views(); ++v) bytes += static_cast<std::uint64_t>(shape(v).numel()) * sizeof(float);
    check<MemoryError>(bytes <= machine_memory(), "loader: the views of ", images, " images of ", shape(0), " take ",
                       bytes >> 20, " MiB, but the machine or its control group has ", machine_memory() >> 20,
                       " MiB; use a smaller batch or smaller images");
    try {
      for (int v = 0; v < transform_->views(); ++v) of(v).resize(static_cast<std::size_t>(shape(v).numel()));
    } catch (const std::bad_alloc&) {
      throw MemoryError(concat("loader: the views of ", images, " images of ", shape(0), " take ", bytes >> 20,
                               " MiB, and the process gets no more memory"));
    }
  }

  void add(std::int64_t at, const Image& image, const ViewKey& key) override {
    for (int v = 0; v < transform_->views(); ++v) {
      const std::size_t values = of(v).size() / static_cast<std::size_t>(images_);
      ViewKey own = key;
      own.view = static_cast<std::uint32_t>(v);
      transform_->apply(image, own, image_channels_, std::span(of(v)).subspan(static_cast<std::size_t>(at) * values, values));
    }
  }

  std::vector<Tensor> finish() override {
    std::vector<Tensor> views;
    for (int v = 0; v < transform_->views(); ++v) views.push_back(Tensor::from(of(v), shape(v), device_));
    return views;
  }

 private:
  std::vector<float>& of(int view) { return views_[static_cast<std::size_t>(view)]; }
  Shape shape(int view) const {
    const ImageSize size = transform_->size(view);
    return {images_, size.height, size.width, image_channels_};
  }

  TransformPtr transform_;
  Device device_;
  std::int64_t image_channels_;
  std::int64_t images_ = 0;
  std::vector<std::vector<float>> views_;  // each (N,H,W,C)
};

// Uploads the decoded images, one after another, with the parameters of their views; the device
// makes the views.
class DeviceViews final : public BatchBuilder {
 public:
  DeviceViews(TransformPtr transform, int channels, Device device)
      : transform_(std::move(transform)), device_(std::move(device)), args_{.channels = channels} {
    for (int c = 0; c < channels; ++c) {
      const auto [scale, shift] = pixel_scale(transform_->normalization(), c);
      args_.scale[static_cast<std::size_t>(c)] = scale;
      args_.shift[static_cast<std::size_t>(c)] = shift;
    }
  }

  void start(std::int64_t images) override {
    images_.resize(static_cast<std::size_t>(images));
    params_.resize(static_cast<std::size_t>(images * transform_->views()));
    packs_.resize(static_cast<std::size_t>((images + kChunk - 1) / kChunk));
    for (auto& pack : packs_) pack.clear();
  }

  void add(std::int64_t at, const Image& image, const ViewKey& key) override {
    check<ValueError>(image.channels == args_.channels, "loader: an image has ", image.channels,
                      " channels, but those of its data set have ", args_.channels);
    auto& pack = packs_[static_cast<std::size_t>(at / kChunk)];
    ImageRecord& record = images_[static_cast<std::size_t>(at)];
    record = {.offset = static_cast<std::int64_t>(pack.size()), .height = image.height, .width = image.width};
    for (int v = 0; v < transform_->views(); ++v) {
      ViewKey own = key;
      own.view = static_cast<std::uint32_t>(v);
      const ViewParams params = transform_->draw(image.size(), own);
      validate(params, record, format(v));
      params_[static_cast<std::size_t>(v) * images_.size() + static_cast<std::size_t>(at)] = params;
    }
    pack.insert(pack.end(), image.pixels.begin(), image.pixels.end());
    pack.resize((pack.size() + kAlignment - 1) / kAlignment * kAlignment);
  }

  std::vector<Tensor> finish() override {
    const auto count = static_cast<std::int64_t>(images_.size());
    std::vector<ImageRecord> images = images_;
    const Tensor pixels = upload_packs(images), records = upload(images), params = upload(params_);
    std::vector<Tensor> views;
    for (int v = 0; v < transform_->views(); ++v) {
      views.push_back(make_views({pixels, records, params.rows(v * count, (v + 1) * count)}, format(v), args_));
    }
    return views;
  }

 private:
  static constexpr std::size_t kAlignment = 16;

  ViewFormat format(int view) const {
    const ImageSize size = transform_->size(view);
    return {.height = size.height, .width = size.width};
  }

  template <class Record> Tensor upload(const std::vector<Record>& records) const {
    constexpr auto kBytes = static_cast<std::int64_t>(sizeof(Record));
    return Tensor::from_bytes(records.data(), {static_cast<std::int64_t>(records.size()), kBytes}, Dtype::u8, device_);
  }

  // Uploads one pack after another. Offsets of `images` within a pack become offsets within the
  // whole.
  Tensor upload_packs(std::vector<ImageRecord>& images) {
    std::vector<std::int64_t> offsets{0};
    for (const auto& pack : packs_) offsets.push_back(offsets.back() + static_cast<std::int64_t>(pack.size()));
    // Batches of photographs differ in size: a tensor for each batch would allocate memory for
    // every new size.
    if (!pixels_ || pixels_.numel() < offsets.back())
      pixels_ = Tensor({offsets.back() + offsets.back() / 4}, Dtype::u8, device_);
    const Tensor pixels = pixels_.segment(0, {offsets.back()});
    for (std::size_t p = 0; p < packs_.size(); ++p) {
      device_->upload(packs_[p].data(), pixels.segment(offsets[p], {offsets[p + 1] - offsets[p]}));
    }
    for (std::size_t i = 0; i < images.size(); ++i) images[i].offset += offsets[i / kChunk];
    return pixels;
  }

  TransformPtr transform_;
  Device device_;
  MakeViewsArgs args_;
  Tensor pixels_;                                 // of all images, and room for some more
  std::vector<ImageRecord> images_;               // (N), with offsets within their pack
  std::vector<ViewParams> params_;                // (views,N)
  std::vector<std::vector<std::uint8_t>> packs_;  // the pixels of each chunk's images
};

}  // namespace

std::unique_ptr<BatchBuilder> make_batch_builder(TransformPtr transform, int channels, Device device) {
  if (device->view_kernels()) return std::make_unique<DeviceViews>(std::move(transform), channels, std::move(device));
  return std::make_unique<HostViews>(std::move(transform), channels, std::move(device));
}

}  // namespace mec
