// Views made by the GPU's kernels, run on the host, and the loader that leaves its views to a
// device.
#include <doctest/doctest.h>

#include <atomic>

#include "data/fixtures.h"
#include "mec/data/formats/open_dataset.h"
#include "mec/data/loader/loader.h"
#include "mec/tensor/devices.h"
#include "mec/tensor/ops/views.h"
#include "support/emulated_device.h"
#include "support/view_cases.h"

using namespace mec;
using namespace mec::test;
namespace simt = mec::cuda::simt;
using simt::ThreadOrder;

namespace {

// Images of different sizes, one of them broken.
class MixedDataset : public Dataset {
 public:
  explicit MixedDataset(std::int64_t broken = -1) : broken_(broken) { info_.channels = 3; }
  const DatasetInfo& info() const override { return info_; }
  std::int64_t size() const override { return 50; }
  std::int32_t label(std::int64_t) const override { throw ValueError("no labels"); }
  Image read(std::int64_t i) const override {
    check<IoError>(i != broken_, "image ", i, " is broken");
    const int n = static_cast<int>(i);
    return random_image({5 + n * 7 % 23, 4 + n * 5 % 17}, i == odd_channels ? 1 : 3, static_cast<std::uint64_t>(i));
  }
  std::int64_t odd_channels = -1;

 private:
  DatasetInfo info_;
  std::int64_t broken_;
};

TransformPtr two_views() {
  AugmentSettings settings;
  settings.views[0].size = 12;
  settings.views[1].size = 9;
  return make_augmentation(settings, normalization_preset("imagenet"));
}

LoaderOptions options(int workers) {
  LoaderOptions o = training_options();
  o.batch = 20;
  o.epochs = 2;
  o.seed = 4;
  o.workers = workers;
  return o;
}

std::vector<Batch> all_batches(const DatasetPtr& data, const LoaderOptions& o, const Device& device) {
  Loader loader(data, two_views(), o, device);
  std::vector<Batch> batches;
  while (auto batch = loader.next()) batches.push_back(std::move(*batch));
  return batches;
}

}  // namespace

TEST_CASE("emulated: views are the host's, to the bit but for the mean gray, in three orders of threads") {
  for (const ThreadOrder order : {ThreadOrder::forward, ThreadOrder::reverse, ThreadOrder::shuffled}) {
    CAPTURE(static_cast<int>(order));
    simt::set_thread_order(order);
    for (const ViewCase& views : view_cases()) {
      CAPTURE(views.name);
      const ViewDifference found = compare_views(views, make_emulated_device());
      CHECK(found.values > 0);
      CHECK(found.levels <= kViewLevels);
      if (views.exact) CHECK(found.other_bits == 0);
    }
  }
  simt::set_thread_order(ThreadOrder::forward);
}

TEST_CASE("emulated: views in bf16 are the rounded ones") {
  for (const ViewCase& views : view_cases()) {
    if (!views.name.starts_with("everything")) continue;
    CAPTURE(views.name);
    CHECK(compare_views(views, make_emulated_device(), Dtype::bf16).levels <= kViewLevels);
  }
}

TEST_CASE("emulated: views do not depend on how many images are worked on at a time") {
  for (const ViewCase& views : view_cases()) {
    if (!views.name.starts_with("everything at 28")) continue;
    const auto one_group = compare_views(views, make_emulated_device(1000)),
               many = compare_views(views, make_emulated_device(1));
    CHECK(one_group.other_bits == many.other_bits);
    CHECK(one_group.levels == many.levels);
  }
}

TEST_CASE("a device that makes views gives the loader's batches, the same for any number of workers") {
  const auto data = std::make_shared<MixedDataset>();
  const Device device = make_emulated_device();
  const std::vector<Batch> expected = all_batches(data, options(0), device);
  REQUIRE(expected.size() == 4);
  const std::vector<Batch> host = all_batches(data, options(0), make_reference_device());
  for (std::size_t i = 0; i < expected.size(); ++i) {
    CAPTURE(i);
    CHECK(expected[i].ids == host[i].ids);
    REQUIRE(expected[i].views.size() == 2);
    for (std::size_t v = 0; v < 2; ++v) {
      const std::vector<float> wide = expected[i].views[v].to_vector<float>(), narrow = host[i].views[v].to_vector<float>();
      CHECK(expected[i].views[v].dim(3) == 8);
      REQUIRE(wide.size() / 8 == narrow.size() / 3);
      double worst = 0;
      for (std::size_t k = 0; k < wide.size(); ++k) {
        const float other = k % 8 < 3 ? narrow[k / 8 * 3 + k % 8] : 0.0F;
        worst = std::max(worst, static_cast<double>(std::fabs(wide[k] - other)));
      }
      CHECK(worst < 1e-4);
    }
  }
  for (const int workers : {1, 3}) {
    CAPTURE(workers);
    const std::vector<Batch> batches = all_batches(data, options(workers), device);
    REQUIRE(batches.size() == expected.size());
    for (std::size_t i = 0; i < batches.size(); ++i) {
      CHECK(batches[i].ids == expected[i].ids);
      for (std::size_t v = 0; v < 2; ++v) {
        CHECK(batches[i].views[v].to_vector<float>() == expected[i].views[v].to_vector<float>());
      }
    }
  }
}

TEST_CASE("a device that makes views makes those for evaluation as well, the last batch being shorter") {
  const auto view = make_eval_transform({.size = 6, .resize = 7}, normalization_preset("imagenet"));
  const auto data = std::make_shared<MixedDataset>();
  Loader loader(data, view, {.batch = 40, .workers = 2}, make_emulated_device());
  CHECK(loader.next()->views[0].shape() == Shape{40, 6, 6, 8});
  const Batch rest = *loader.next();
  CHECK(rest.views[0].shape() == Shape{10, 6, 6, 8});
  std::vector<float> expected(6 * 6 * 8);
  view->apply(data->read(43), {}, 8, expected);
  CHECK(rest.views[0].rows(3, 4).to_vector<float>() == expected);
}

TEST_CASE("errors of reading, and images unfit for the device, reach the consumer as they do elsewhere") {
  for (const int workers : {0, 1, 3}) {
    CAPTURE(workers);
    LoaderOptions in_order{.batch = 20, .workers = workers};
    Loader broken(std::make_shared<MixedDataset>(27), two_views(), in_order, make_emulated_device());
    CHECK(broken.next()->index == 0);
    CHECK_THROWS_WITH_AS(broken.next(), "image 27 is broken", IoError);
    CHECK_THROWS_WITH_AS(broken.next(), "image 27 is broken", IoError);
    const auto odd = std::make_shared<MixedDataset>();
    odd->odd_channels = 5;
    Loader unfit(odd, two_views(), in_order, make_emulated_device());
    CHECK_THROWS_WITH_AS(unfit.next(), doctest::Contains("an image has 1 channels"), ValueError);
    CHECK_THROWS_WITH_AS(unfit.next(), doctest::Contains("an image has 1 channels"), ValueError);
  }
}

TEST_CASE("what kernels cannot do with a view is refused before it goes to the device") {
  const ImageRecord image{.offset = 0, .height = 2000, .width = 30};
  const ViewFormat format{.height = 7, .width = 7};
  const auto refuses = [&](const char* why, const auto& change) {
    ViewParams params{.crop = {.top = 0, .left = 0, .height = 7 * 255, .width = 30}, .to_height = 7, .to_width = 7};
    CHECK_NOTHROW(validate(params, image, format));
    change(params);
    CHECK_THROWS_WITH_AS(validate(params, image, format), doctest::Contains(why), ValueError);
  };
  refuses("does not lie within the image of 30x2000", [](ViewParams& p) { p.crop.left = 1; });
  refuses("does not lie within the image", [](ViewParams& p) { p.crop.height = 0; });
  refuses("does not lie within the resized crop of 7x7", [](ViewParams& p) { p.window_top = 1; });
  refuses("a crop of 1786 rows is made into 7, but shrinks at most by 255", [](ViewParams& p) { p.crop.height = 1786; });
  refuses("does not name each of its operations once", [](ViewParams& p) { p.jitter_order[1] = Jitter::hue; });
  refuses("sigma is nan", [](ViewParams& p) { p.blur_sigma = std::nanf(""); });
  refuses("the blur reaches 7 pixels in a view of 7x7", [](ViewParams& p) { p.blur_sigma = p.blur_radius = 7; });
}

TEST_CASE("make_views refuses what does not fit together") {
  const Device device = make_emulated_device();
  const auto bytes = [](const Device& on, const Shape& shape) { return Tensor(shape, Dtype::u8, on); };
  const std::int64_t image = sizeof(ImageRecord), params = sizeof(ViewParams);
  const ViewInputs none{bytes(device, {0}), bytes(device, {0, image}), bytes(device, {0, params})};
  CHECK(make_views(none, {.height = 3, .width = 2}, {}).shape() == Shape{0, 3, 2, 8});
  const auto refuses = [&](const ViewInputs& inputs, const ViewFormat& format, const MakeViewsArgs& args, const char* why) {
    CHECK_THROWS_WITH_AS(make_views(inputs, format, args), doctest::Contains(why), Error);
  };
  refuses({none.pixels, none.params, none.images}, {}, {}, "a record of the images has 16 bytes");
  refuses({none.pixels, none.images, bytes(device, {1, params})}, {}, {}, "0 images, but parameters");
  refuses(none, {}, {.channels = 2}, "1 or 3 channels, not 2");
  refuses(none, {.dtype = Dtype::f64}, {}, "f32 or bf16, not f64");
  const Device host = make_reference_device();
  refuses({bytes(host, {0}), bytes(host, {0, image}), bytes(host, {0, params})}, {}, {}, "the reference device makes no views");
}
