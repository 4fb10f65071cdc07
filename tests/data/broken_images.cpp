// Images whose files are broken: the loader stops, or others take their places, the same on any
// number of workers.
#include <doctest/doctest.h>

#include <algorithm>
#include <set>

#include "data/fixtures.h"
#include "mec/data/formats/open_dataset.h"
#include "mec/data/loader/loader.h"
#include "mec/tensor/devices.h"

using namespace mec;
using namespace mec::test;

namespace {

constexpr std::int64_t kImages = 40;

// A folder of pictures; those numbers are cut short. Names are in the order of the numbers.
struct Folder {
  explicit Folder(std::set<std::int64_t> broken_in) : broken(std::move(broken_in)) {
    for (std::int64_t i = 0; i < kImages; ++i) {
      const Image image = random_image({6, 5}, 3, static_cast<std::uint64_t>(i));
      const std::string png = make_png(6, 5, image.pixels);
      write_bytes(name(i), broken.contains(i) ? png.substr(0, png.size() / 2) : png);
    }
    data = open_dataset({.path = folder.path(), .kind = "folder"});
    REQUIRE(data->size() == kImages);
  }
  std::filesystem::path name(std::int64_t i) const { return folder / concat(100 + i, ".png"); }

  TempFolder folder;
  std::set<std::int64_t> broken;
  DatasetPtr data;
};

LoaderOptions skipping(int workers) {
  return {
      .batch = 20, .epochs = 3, .shuffle = true, .drop_last = true, .seed = 5, .workers = workers, .on_broken = OnBroken::skip};
}

TransformPtr two_views() {
  AugmentSettings settings;
  for (auto& view : settings.views) view.size = 4;
  return make_augmentation(settings, Normalization{{0.5F}, {0.5F}}.for_channels(3));
}

// What a loader gave, as values that can be compared.
struct Seen {
  std::vector<std::vector<std::int64_t>> ids;
  std::vector<std::vector<float>> pixels;
  std::vector<BrokenImage> skipped;
  bool operator==(const Seen&) const = default;
};

Seen run(const DatasetPtr& data, LoaderOptions options) {
  Seen seen;
  options.on_skipped = [&](const BrokenImage& image) { seen.skipped.push_back(image); };
  Loader loader(data, two_views(), options, make_reference_device());
  while (const auto batch = loader.next()) {
    seen.ids.push_back(batch->ids);
    for (const Tensor& view : batch->views) seen.pixels.push_back(view.to_vector<float>());
  }
  return seen;
}

// The numbers that are read for an image, by the rule that loader.h states: the last one is whole.
std::vector<std::int64_t> read_for(const std::set<std::int64_t>& broken, std::int64_t id, std::int64_t epoch) {
  RandomStream random(5, static_cast<std::uint64_t>(id), static_cast<std::uint64_t>(epoch), Purpose::shuffle, 1);
  std::vector<std::int64_t> numbers{id};
  while (broken.contains(numbers.back())) numbers.push_back(random.below(kImages));
  return numbers;
}

std::string message_of(Loader& loader) {
  try {
    while (loader.next()) {
    }
  } catch (const BrokenImageError& error) {
    return error.what();
  }
  return {};
}

}  // namespace

TEST_CASE("broken images are skipped for the same others, and named in the same order, on any number of workers") {
  const Folder folder({3, 4, 11, 26, 39});
  const Seen expected = run(folder.data, skipping(0));
  REQUIRE(expected.ids.size() == 6);
  std::vector<std::int64_t> skipped;
  for (std::size_t b = 0; b < expected.ids.size(); ++b) {
    const auto epoch = static_cast<std::int64_t>(b) / 2;
    const auto order = epoch_order(kImages, 5, epoch);
    for (std::size_t i = 0; i < 20; ++i) {
      const auto numbers = read_for(folder.broken, order[b % 2 * 20 + i], epoch);
      CHECK(expected.ids[b][i] == numbers.back());
      skipped.insert(skipped.end(), numbers.begin(), numbers.end() - 1);
    }
  }
  CHECK(skipped.size() > 3 * folder.broken.size());  // some were drawn for another one
  REQUIRE(expected.skipped.size() == skipped.size());
  for (std::size_t i = 0; i < skipped.size(); ++i) {
    CHECK(expected.skipped[i].number == skipped[i]);
    CHECK(expected.skipped[i].message.starts_with(folder.name(skipped[i]).string() + ": the PNG file cannot be decoded"));
  }
  for (const int workers : {1, 3}) {
    for (const int prefetch : {1, 4}) {
      LoaderOptions options = skipping(workers);
      options.prefetch = prefetch;
      CHECK(run(folder.data, options) == expected);
    }
  }
}

TEST_CASE("a loader that starts later skips as one that never stopped") {
  const Folder folder({3, 4, 11, 26, 39});
  const Seen whole = run(folder.data, skipping(2));
  LoaderOptions options = skipping(1);
  options.first_epoch = 1;
  options.first_batch = 1;
  const Seen rest = run(folder.data, options);
  CHECK(rest.ids == std::vector(whole.ids.begin() + 3, whole.ids.end()));
  CHECK(rest.pixels == std::vector(whole.pixels.begin() + 6, whole.pixels.end()));
}

TEST_CASE("views of an image that takes another's place are not those that it has in its own") {
  const Folder folder({7});
  const Seen seen = run(folder.data, skipping(0));
  const std::int64_t taken = read_for({7}, 7, 0).back();
  std::vector<std::pair<std::size_t, std::size_t>> places;  // batch, row
  for (std::size_t b = 0; b < 2; ++b) {
    for (std::size_t i = 0; i < 20; ++i) {
      if (seen.ids[b][i] == taken) places.emplace_back(b, i);
    }
  }
  REQUIRE(places.size() == 2);
  const auto view_at = [&](const auto& place) {
    const auto& pixels = seen.pixels[2 * place.first];
    const auto begin = pixels.begin() + static_cast<std::ptrdiff_t>(48 * place.second);
    return std::vector<float>(begin, begin + 48);
  };
  CHECK(view_at(places[0]) != view_at(places[1]));
}

TEST_CASE("without skipping, the first broken image of a batch stops the loader, by its name") {
  const Folder folder({3, 4, 11, 26, 39});
  LoaderOptions options = skipping(0);
  options.on_broken = OnBroken::stop;
  for (const int workers : {0, 1, 3}) {
    options.workers = workers;
    Loader loader(folder.data, two_views(), options, make_reference_device());
    const auto order = epoch_order(kImages, 5, 0);
    const auto first = std::ranges::find_if(order, [&](std::int64_t id) { return folder.broken.contains(id); });
    const std::string message = message_of(loader);
    CHECK(message.starts_with(folder.name(*first).string() + ": the PNG file cannot be decoded"));
    CHECK(message_of(loader) == message);
  }
}

TEST_CASE("a folder that is broken as a whole stops the loader after so many images") {
  std::set<std::int64_t> all;
  for (std::int64_t i = 0; i < kImages; ++i) all.insert(i);
  const Folder folder(all);
  for (const auto& [limit, tried] : {std::pair(9, 9), std::pair(1000, 39)}) {
    for (const int workers : {0, 3}) {
      LoaderOptions options = skipping(workers);
      options.broken_limit = limit;
      Loader loader(folder.data, two_views(), options, make_reference_device());
      const std::string message = message_of(loader);
      CAPTURE(message);
      CHECK(message.find(concat("of the images drawn in its place ", tried, " are broken, too")) != std::string::npos);
      CHECK(message.starts_with(folder.name(epoch_order(kImages, 5, 0)[0]).string()));
      CHECK(message_of(loader) == message);
    }
  }
}

TEST_CASE("what the listener throws, next() throws") {
  const Folder folder({3});
  for (const int workers : {0, 2}) {
    LoaderOptions options = skipping(workers);
    options.on_skipped = [](const BrokenImage&) { throw IoError("no more"); };
    Loader loader(folder.data, two_views(), options, make_reference_device());
    CHECK_THROWS_WITH_AS(
        [&] {
          while (loader.next()) {
          }
        }(),
        "no more", IoError);
  }
}
