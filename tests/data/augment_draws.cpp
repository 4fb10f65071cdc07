// The parameters of views as random variables. The draws are fixed by their seed, so that no test
// here can fail by chance.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <map>

#include "data/fixtures.h"
#include "mec/data/augment/view.h"
#include "mec/data/formats/open_dataset.h"

using namespace mec;
using namespace mec::test;

namespace {

constexpr int kDraws = 20000;

std::vector<ViewParams> draw_many(const ViewSettings& settings, ImageSize size) {
  std::vector<ViewParams> draws;
  for (int i = 0; i < kDraws; ++i) {
    draws.push_back(draw_view(settings, size, {.seed = 7, .sample = static_cast<std::uint64_t>(i), .epoch = 3}));
  }
  return draws;
}

// Within four standard deviations of a binomial share.
template <class Predicate> void check_rate(const std::vector<ViewParams>& draws, double p, Predicate predicate) {
  const auto hits = static_cast<double>(std::count_if(draws.begin(), draws.end(), predicate));
  CAPTURE(hits / kDraws);
  CHECK(std::abs(hits / kDraws - p) <= 4 * std::sqrt(p * (1 - p) / kDraws));
}

// The least and the greatest value lie at the ends of the range, within a hundredth of it.
template <class Value> void check_range(const std::vector<ViewParams>& draws, double low, double high, Value value_of) {
  double least = 1e9, greatest = -1e9;
  for (const ViewParams& p : draws) {
    least = std::min(least, static_cast<double>(value_of(p)));
    greatest = std::max(greatest, static_cast<double>(value_of(p)));
  }
  CHECK(std::fabs(least - low) < 0.01 * (high - low));
  CHECK(std::fabs(greatest - high) < 0.01 * (high - low));
}

bool jittered(const ViewParams& p) { return p.jitter[0] != 1.0F; }

bool same(const ViewParams& a, const ViewParams& b) {
  return a.crop == b.crop && a.jitter_order == b.jitter_order && a.jitter == b.jitter && a.blur_sigma == b.blur_sigma &&
         a.gray == b.gray && a.solarize == b.solarize && a.flip == b.flip;
}

}  // namespace

TEST_CASE("crops lie within the image, their area and shape within the settings") {
  const ViewSettings settings;
  double smallest = 1;
  double largest = 0;
  double mean_log_ratio = 0;
  for (const auto& params : draw_many(settings, {500, 400})) {
    const CropBox& c = params.crop;
    REQUIRE((c.top >= 0 && c.left >= 0 && c.top + c.height <= 400 && c.left + c.width <= 500));
    const double area = c.width * c.height / 200000.0;
    const double ratio = static_cast<double>(c.width) / c.height;
    REQUIRE((area > 0.197 && area <= 1.0));  // sides are rounded to whole pixels
    REQUIRE((ratio > 0.745 && ratio < 1.345));
    smallest = std::min(smallest, area);
    largest = std::max(largest, area);
    mean_log_ratio += std::log(ratio) / kDraws;
  }
  CHECK(smallest < 0.21);
  CHECK(largest > 0.95);
  // log ratio is uniform over ±0.288 but for crops that do not fit; these favour the image's own
  // shape, which is wide.
  CHECK(mean_log_ratio > 0.0);
  CHECK(mean_log_ratio < 0.05);
}

TEST_CASE("the area of small crops is uniform and every position is reached") {
  ViewSettings settings;
  settings.scale_min = 0.1F;
  settings.scale_max = 0.3F;  // always fits: no draw is rejected
  double mean = 0;
  double mean_left = 0;
  for (const auto& params : draw_many(settings, {400, 400})) {
    mean += params.crop.width * params.crop.height / 160000.0 / kDraws;
    mean_left += static_cast<double>(params.crop.left) / (400 - params.crop.width) / kDraws;
  }
  // Four standard errors: of a uniform variable on an interval of width 0.2, and of width 1.
  CHECK(std::abs(mean - 0.2) < 4 * 0.2 / std::sqrt(12.0 * kDraws));
  CHECK(std::abs(mean_left - 0.5) < 4 / std::sqrt(12.0 * kDraws));
}

TEST_CASE("each operation happens as often as its probability says") {
  ViewSettings settings = official_second_view();
  const auto draws = draw_many(settings, {32, 32});
  check_rate(draws, 0.5, [](const ViewParams& p) { return p.flip; });
  check_rate(draws, 0.2, [](const ViewParams& p) { return p.gray; });
  check_rate(draws, 0.1, [](const ViewParams& p) { return p.blur_sigma > 0; });
  check_rate(draws, 0.2, [](const ViewParams& p) { return p.solarize; });
  check_rate(draws, 0.8, jittered);
  const ViewSettings first;
  check_rate(draw_many(first, {32, 32}), 1.0, [](const ViewParams& p) { return p.blur_sigma > 0; });
  check_rate(draw_many(first, {32, 32}), 0.0, [](const ViewParams& p) { return p.solarize; });
}

TEST_CASE("each setting, far from its default and from the others, is what the draws follow") {
  const ViewSettings settings{.size = 48,
                              .scale_min = 0.3F,
                              .scale_max = 0.5F,
                              .ratio_min = 0.5F,
                              .ratio_max = 0.6F,
                              .jitter_probability = 0.35F,
                              .brightness = 0.7F,
                              .contrast = 0.15F,
                              .saturation = 0.55F,
                              .hue = 0.4F,
                              .gray_probability = 0.65F,
                              .blur_probability = 0.45F,
                              .blur_sigma_min = 0.7F,
                              .blur_sigma_max = 3.5F,
                              .blur_kernel = 5,
                              .solarize_probability = 0.3F,
                              .solarize_threshold = 77.0F,
                              .flip_probability = 0.85F};
  const auto draws = draw_many(settings, {4000, 4000});  // sides are rounded to whole pixels
  check_rate(draws, 0.35, jittered);
  check_rate(draws, 0.65, [](const ViewParams& p) { return p.gray; });
  check_rate(draws, 0.45, [](const ViewParams& p) { return p.blur_sigma > 0; });
  check_rate(draws, 0.3, [](const ViewParams& p) { return p.solarize; });
  check_rate(draws, 0.85, [](const ViewParams& p) { return p.flip; });
  check_range(draws, 0.3, 0.5, [](const ViewParams& p) { return p.crop.width * p.crop.height / 16e6; });
  check_range(draws, 0.5, 0.6, [](const ViewParams& p) { return 1.0 * p.crop.width / p.crop.height; });

  std::vector<ViewParams> jittered_ones, blurred;
  std::ranges::copy_if(draws, std::back_inserter(jittered_ones), jittered);
  std::ranges::copy_if(draws, std::back_inserter(blurred), [](const ViewParams& p) { return p.blur_sigma > 0; });
  check_range(jittered_ones, 0.3, 1.7, [](const ViewParams& p) { return p.jitter[0]; });
  check_range(jittered_ones, 0.85, 1.15, [](const ViewParams& p) { return p.jitter[1]; });
  check_range(jittered_ones, 0.45, 1.55, [](const ViewParams& p) { return p.jitter[2]; });
  check_range(jittered_ones, -0.4, 0.4, [](const ViewParams& p) { return p.jitter[3]; });
  check_range(blurred, 0.7, 3.5, [](const ViewParams& p) { return p.blur_sigma; });
  CHECK(std::ranges::all_of(blurred, [](const ViewParams& p) { return p.blur_radius == 2; }));
  CHECK(std::ranges::all_of(draws, [](const ViewParams& p) { return p.solarize_threshold == 77; }));
  CHECK(std::ranges::all_of(draws, [](const ViewParams& p) { return p.to_width == 48 && p.to_height == 48; }));
}

TEST_CASE("operations are drawn independently of each other") {
  const auto draws = draw_many(official_second_view(), {32, 32});
  check_rate(draws, 0.5 * 0.2, [](const ViewParams& p) { return p.flip && p.gray; });
  check_rate(draws, 0.2 * 0.2, [](const ViewParams& p) { return p.gray && p.solarize; });
  check_rate(draws, 0.8 * 0.1, [](const ViewParams& p) { return jittered(p) && p.blur_sigma > 0; });
}

TEST_CASE("jitter factors stay in their ranges and come in all orders alike") {
  std::map<std::array<Jitter, 4>, int> orders;
  double sum = 0;
  int count = 0;
  for (const auto& p : draw_many(ViewSettings{}, {32, 32})) {
    if (!jittered(p)) continue;
    ++count;
    ++orders[p.jitter_order];
    sum += p.jitter[1];
    REQUIRE(std::abs(p.jitter[0] - 1) <= 0.4001F);
    REQUIRE(std::abs(p.jitter[1] - 1) <= 0.4001F);
    REQUIRE(std::abs(p.jitter[2] - 1) <= 0.2001F);
    REQUIRE(std::abs(p.jitter[3]) <= 0.1001F);
  }
  CHECK(std::abs(sum / count - 1) < 4 * 0.8 / std::sqrt(12.0 * count));
  CHECK(orders.size() == 24);
  double chi2 = 0;
  for (const auto& [order, hits] : orders) chi2 += std::pow(hits - count / 24.0, 2) / (count / 24.0);
  CHECK(chi2 < 49.7);  // 23 degrees of freedom, p = 0.001
}

TEST_CASE("blur's sigma covers its range") {
  float low = 9;
  float high = 0;
  for (const auto& p : draw_many(ViewSettings{}, {32, 32})) {
    low = std::min(low, p.blur_sigma);
    high = std::max(high, p.blur_sigma);
  }
  CHECK((low >= 0.1F && low < 0.11F));
  CHECK((high > 1.99F && high <= 2.0F));
}

TEST_CASE("a view is a function of seed, sample, epoch and view, and each of them matters") {
  const ViewSettings settings;
  const ViewKey key{.seed = 1, .sample = 2, .epoch = 3, .view = 0};
  const ViewParams params = draw_view(settings, {224, 224}, key);
  CHECK(same(params, draw_view(settings, {224, 224}, key)));
  for (const ViewKey& other : {ViewKey{2, 2, 3, 0}, ViewKey{1, 3, 3, 0}, ViewKey{1, 2, 4, 0}, ViewKey{1, 2, 3, 1}}) {
    CHECK(!same(params, draw_view(settings, {224, 224}, other)));
  }
}

TEST_CASE("switching one operation off leaves the draws of the others as they were") {
  const ViewSettings settings;
  ViewSettings without = settings;
  without.blur_probability = 0;
  without.jitter_probability = 0;
  for (std::uint64_t sample = 0; sample < 50; ++sample) {
    const ViewParams a = draw_view(settings, {64, 48}, {.seed = 1, .sample = sample});
    const ViewParams b = draw_view(without, {64, 48}, {.seed = 1, .sample = sample});
    CHECK(a.crop == b.crop);
    CHECK(a.flip == b.flip);
    CHECK(a.gray == b.gray);
    CHECK(b.blur_sigma == 0.0F);
    CHECK(!jittered(b));
  }
}

TEST_CASE("where no crop fits, the largest centred one of an allowed shape is taken") {
  ViewSettings settings;
  settings.scale_min = 0.9F;
  const ViewKey key{.seed = 1};
  CHECK(draw_view(settings, {1000, 10}, key).crop == CropBox{.top = 0, .left = 493, .height = 10, .width = 13});
  CHECK(draw_view(settings, {10, 1000}, key).crop == CropBox{.top = 493, .left = 0, .height = 13, .width = 10});
  CHECK(draw_view(settings, {1, 1}, key).crop == CropBox{.top = 0, .left = 0, .height = 1, .width = 1});
}

TEST_CASE("settings out of range are refused by name") {
  const auto refuses = [](auto change, const char* name) {
    ViewSettings settings;
    change(settings);
    CHECK_THROWS_WITH_AS(validate(settings), doctest::Contains(name), ValueError);
  };
  CHECK_NOTHROW(validate(ViewSettings{}));
  CHECK_NOTHROW(validate(official_second_view()));
  refuses([](ViewSettings& s) { s.size = 0; }, "size");
  refuses([](ViewSettings& s) { s.scale_min = 0; }, "scale_min");
  refuses([](ViewSettings& s) { s.scale_min = 0.8F, s.scale_max = 0.5F; }, "scale_max");
  refuses([](ViewSettings& s) { s.scale_max = 1.5F; }, "scale_max");
  refuses([](ViewSettings& s) { s.ratio_min = -1; }, "ratio_min");
  refuses([](ViewSettings& s) { s.blur_sigma_min = std::nanf(""); }, "blur_sigma_min");
  refuses([](ViewSettings& s) { s.blur_kernel = 4; }, "blur_kernel");
  refuses([](ViewSettings& s) { s.hue = 0.6F; }, "hue");
  refuses([](ViewSettings& s) { s.contrast = -0.1F; }, "contrast");
  refuses([](ViewSettings& s) { s.flip_probability = 1.1F; }, "flip_probability");
  refuses([](ViewSettings& s) { s.gray_probability = std::nanf(""); }, "gray_probability");
}

TEST_CASE("applying drawn parameters depends on nothing else, and undoing the flip gives the mirrored view") {
  const Image image = random_image({40, 30}, 3, 6);
  ViewSettings settings;
  settings.size = 16;
  const Normalization n = normalization_preset("imagenet");
  ViewParams params = draw_view(settings, image.size(), {.seed = 5, .sample = 9});
  std::vector<float> a(16 * 16 * 3);
  std::vector<float> b(16 * 16 * 3);
  apply_view(image, params, {16, 16}, n, 3, a);
  apply_view(image, params, {16, 16}, n, 3, b);
  CHECK(a == b);
  params.flip = !params.flip;
  apply_view(image, params, {16, 16}, n, 3, b);
  for (std::size_t y = 0; y < 16; ++y) {
    for (std::size_t x = 0; x < 16; ++x) CHECK(a[(y * 16 + x) * 3] == b[(y * 16 + 15 - x) * 3]);
  }
}

TEST_CASE("the jitter order of the parameters is the order of the operations") {
  const Image image{2, 1, 1, {100, 200}};
  ViewParams params;
  params.to_height = params.to_width = 2;
  params.crop = {.top = 0, .left = 0, .height = 1, .width = 2};
  params.jitter = {1.5F, 0.0F, 1.0F, 0.0F};
  const Normalization n{{0.0F}, {1.0F / 255}};
  std::vector<float> out(4);
  apply_view(image, params, {2, 2}, n, 1, out);
  CHECK(out[0] == doctest::Approx((150 + 255) / 2.0));  // brightness clamps first
  params.jitter_order = {Jitter::contrast, Jitter::brightness, Jitter::hue, Jitter::saturation};
  apply_view(image, params, {2, 2}, n, 1, out);
  CHECK(out[0] == doctest::Approx(225));
}
