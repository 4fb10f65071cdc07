#include "mec/data/augment/transform.h"

#include "mec/tensor/error.h"

namespace mec {
namespace {

class Augmentation : public Transform {
 public:
  Augmentation(AugmentSettings settings, Normalization normalization)
      : settings_(std::move(settings)), normalization_(std::move(normalization)) {
    check<ValueError>(!settings_.views.empty(), "augment: there must be at least one view");
    for (const auto& view : settings_.views) validate(view);
  }

  int views() const override { return static_cast<int>(settings_.views.size()); }
  ImageSize size(int view) const override { return {of(view).size, of(view).size}; }
  const Normalization& normalization() const override { return normalization_; }
  ViewParams draw(ImageSize image, const ViewKey& key) const override {
    return draw_view(of(static_cast<int>(key.view)), image, key);
  }

 private:
  const ViewSettings& of(int view) const { return settings_.views.at(static_cast<std::size_t>(view)); }

  AugmentSettings settings_;
  Normalization normalization_;
};

class EvalTransform : public Transform {
 public:
  EvalTransform(const EvalViewSettings& settings, Normalization normalization)
      : settings_(settings), normalization_(std::move(normalization)) {
    validate(settings_);
  }

  int views() const override { return 1; }
  ImageSize size(int) const override { return {settings_.size, settings_.size}; }
  const Normalization& normalization() const override { return normalization_; }
  ViewParams draw(ImageSize image, const ViewKey&) const override { return eval_view(settings_, image); }

 private:
  EvalViewSettings settings_;
  Normalization normalization_;
};

}  // namespace

void Transform::apply(const Image& image, const ViewKey& key, std::int64_t image_channels, std::span<float> out) const {
  apply_view(image, draw(image.size(), key), size(static_cast<int>(key.view)), normalization(), image_channels, out);
}

TransformPtr make_augmentation(AugmentSettings settings, Normalization normalization) {
  return std::make_shared<Augmentation>(std::move(settings), std::move(normalization));
}

TransformPtr make_eval_transform(const EvalViewSettings& settings, Normalization normalization) {
  return std::make_shared<EvalTransform>(settings, std::move(normalization));
}

}  // namespace mec
