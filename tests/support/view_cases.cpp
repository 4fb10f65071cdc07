#include "support/view_cases.h"

#include <algorithm>
#include <cmath>

#include "data/fixtures.h"
#include "mec/tensor/ops/views.h"
#include "support/guarded_device.h"

namespace mec::test {
namespace {

const std::vector<ImageSize> kImages = {{28, 28}, {1, 1}, {7, 1}, {1, 7}, {70, 33}, {64, 64}, {3, 90}, {150, 110}};

Normalization normalization(int channels) {
  const Normalization three{{0.485F, 0.456F, 0.406F}, {0.229F, 0.224F, 0.225F}};
  return three.for_channels(channels);
}

// Crops and nothing else.
ViewSettings crops(int size) {
  ViewSettings settings;
  settings.size = size;
  settings.jitter_probability = settings.gray_probability = settings.blur_probability = 0.0F;
  settings.solarize_probability = settings.flip_probability = 0.0F;
  return settings;
}

ViewSettings jitter(int size, float brightness, float contrast, float saturation, float hue) {
  ViewSettings settings = crops(size);
  settings.jitter_probability = 1.0F;
  settings.brightness = brightness;
  settings.contrast = contrast;
  settings.saturation = saturation;
  settings.hue = hue;
  return settings;
}

ViewSettings blur(int size, float sigma, int kernel) {
  ViewSettings settings = crops(size);
  settings.blur_probability = 1.0F;
  settings.blur_sigma_min = sigma / 2;
  settings.blur_sigma_max = sigma;
  settings.blur_kernel = kernel;
  return settings;
}

ViewSettings everything(int size) {
  ViewSettings settings = jitter(size, 0.4F, 0.4F, 0.4F, 0.3F);
  settings.jitter_probability = 0.8F;
  settings.gray_probability = 0.3F;
  settings.blur_probability = settings.solarize_probability = settings.flip_probability = 0.5F;
  return settings;
}

class Table {
 public:
  void add(const std::string& name, const ViewSettings& settings, const std::vector<ImageSize>& images = kImages) {
    for (const int channels : {3, 1}) {
      rows.push_back({.name = concat(name, ", ", channels, " channels"),
                      .channels = channels,
                      .images = images,
                      .transform = make_augmentation({.views = {settings}}, normalization(channels)),
                      .exact = settings.jitter_probability == 0.0F || settings.contrast == 0.0F});
    }
  }
  std::vector<ViewCase> rows;
};

ViewSettings with(ViewSettings settings, float ViewSettings::*member, float value) {
  settings.*member = value;
  return settings;
}

}  // namespace

std::vector<ViewCase> view_cases() {
  Table table;
  for (const int size : {1, 7, 28, 37}) table.add(concat("crop to ", size), crops(size));
  table.add("flip", with(crops(19), &ViewSettings::flip_probability, 1.0F));
  table.add("brightness", jitter(19, 0.8F, 0, 0, 0));
  table.add("contrast", jitter(37, 0, 0.8F, 0, 0));
  table.add("saturation", jitter(19, 0, 0, 0.8F, 0));
  table.add("hue", jitter(19, 0, 0, 0, 0.5F));
  table.add("jitter", jitter(40, 0.4F, 0.4F, 0.2F, 0.1F));
  table.add("gray", with(crops(19), &ViewSettings::gray_probability, 1.0F));
  table.add("solarise", with(crops(19), &ViewSettings::solarize_probability, 1.0F));
  table.add("blur", blur(37, 2.0F, 0));
  table.add("a blur that reaches all over the view", blur(28, 30.0F, 55));
  table.add("blur of one pixel", blur(1, 2.0F, 0));
  std::vector<ImageSize> often = kImages;  // so that many combinations are drawn
  for (int i = 1; i < 20; ++i) often.push_back({10 + 5 * i, 100 - 3 * i});
  table.add("everything at 28", everything(28), often);
  table.add("everything at 33", everything(33));
  // Rows of more than a block's threads, in two pieces, and a blur across both.
  ViewSettings wide = everything(260);
  wide.blur_probability = 1.0F;
  wide.blur_kernel = 41;
  wide.contrast = 0.0F;  // its sums take the emulator longest
  table.add("everything at 260", wide, {{90, 130}});
  table.rows.pop_back();  // colour is enough
  // More taps than the columns' weights have room for, and as many as rows have.
  ViewSettings whole = crops(7);
  whole.scale_min = whole.scale_max = 1.0F;
  whole.ratio_min = 0.001F;
  whole.ratio_max = 1000.0F;
  table.add("large images", whole, {{1500, 9}, {5, 7 * 255}, {600, 500}});
  for (const int channels : {3, 1}) {
    table.rows.push_back({.name = concat("evaluation, ", channels, " channels"),
                          .channels = channels,
                          .images = {{28, 28}, {70, 33}, {31, 200}},
                          .transform = make_eval_transform({.size = 28, .resize = 32}, normalization(channels))});
  }
  return table.rows;
}

namespace {

// The batch as a device gets it, and the same views made here.
struct ViewBatch {
  std::vector<std::uint8_t> pixels;
  std::vector<ImageRecord> images;
  std::vector<ViewParams> params;
  std::vector<float> expected;  // (N,H,W,C)
  std::vector<float> unsolarized;
};

ViewBatch make_batch(const ViewCase& views, const ViewFormat& format, std::int64_t channels) {
  ViewBatch batch;
  const ImageSize size = views.transform->size(0);
  std::vector<float> view(static_cast<std::size_t>(format.height * format.width * channels));
  for (std::size_t i = 0; i < views.images.size(); ++i) {
    const Image image = random_image(views.images[i], views.channels, i);
    batch.images.push_back(
        {.offset = static_cast<std::int64_t>(batch.pixels.size()), .height = image.height, .width = image.width});
    batch.pixels.insert(batch.pixels.end(), image.pixels.begin(), image.pixels.end());
    ViewParams params = views.transform->draw(image.size(), {.seed = 3, .sample = i});
    validate(params, batch.images.back(), format);
    batch.params.push_back(params);
    for (std::vector<float>* out : {&batch.expected, &batch.unsolarized}) {
      apply_view(image, params, size, views.transform->normalization(), channels, view);
      out->insert(out->end(), view.begin(), view.end());
      params.solarize = false;
    }
  }
  return batch;
}

template <class Record> Tensor upload_records(const std::vector<Record>& records, const Device& device) {
  return Tensor::from_bytes(records.data(), {static_cast<std::int64_t>(records.size()), std::int64_t{sizeof(Record)}},
                            Dtype::u8, device);
}

// On the host, so that no other kernel has a part in it.
std::vector<float> widened(const Tensor& y) {
  if (y.dtype() == Dtype::f32) return y.to_vector<float>();
  const std::vector<bf16> narrow = y.to_vector<bf16>();
  return {narrow.begin(), narrow.end()};
}

}  // namespace

ViewDifference compare_views(const ViewCase& views, const Device& device, Dtype dtype) {
  const auto guarded = std::make_shared<GuardedDevice>(device);
  const ImageSize size = views.transform->size(0);
  const ViewFormat format{.height = size.height, .width = size.width, .dtype = dtype};
  const std::int64_t channels = device->image_channels(views.channels);
  const ViewBatch batch = make_batch(views, format, channels);
  MakeViewsArgs args{.channels = views.channels};
  for (int c = 0; c < views.channels; ++c) {
    const auto [scale, shift] = pixel_scale(views.transform->normalization(), c);
    args.scale[static_cast<std::size_t>(c)] = scale;
    args.shift[static_cast<std::size_t>(c)] = shift;
  }
  const auto count = static_cast<std::int64_t>(batch.pixels.size());
  const ViewInputs inputs{Tensor::from(batch.pixels, {count}, guarded), upload_records(batch.images, guarded),
                          upload_records(batch.params, guarded)};
  const Tensor y = make_views(inputs, format, args);
  check<Error>(y.shape() == Shape{inputs.images.dim(0), size.height, size.width, channels}, "views have shape ", y.shape());
  const std::vector<float> actual = widened(y);

  ViewDifference result{.levels = 0, .other_bits = 0, .values = static_cast<std::int64_t>(actual.size())};
  const std::int64_t each = format.height * format.width * channels;
  for (std::int64_t i = 0; i < result.values; ++i) {
    const auto at = static_cast<std::size_t>(i);
    const auto c = static_cast<std::size_t>(i % channels);
    const ViewParams& params = batch.params[static_cast<std::size_t>(i / each)];
    const bool color = i % channels < views.channels;
    const double scale = color ? args.scale[c] : 1.0 / 255, shift = color ? args.shift[c] : 0.0;
    const double rounding = dtype == Dtype::bf16 ? std::fabs(batch.expected[at]) / 256 : 0.0;
    double difference = (std::fabs(actual[at] - batch.expected[at]) - rounding) / scale;
    const double before = (batch.unsolarized[at] - shift) / scale;
    if (color && params.solarize && std::fabs(before - params.solarize_threshold) < kViewLevels) {
      difference = std::min(difference, std::fabs(actual[at] - batch.unsolarized[at]) / scale);
      difference = std::min(difference, std::fabs(actual[at] - ((255 - before) * scale + shift)) / scale);
    }
    result.other_bits += actual[at] != batch.expected[at];
    result.levels = std::isnan(difference) ? 256 : std::max(result.levels, difference);
  }
  return result;
}

}  // namespace mec::test
