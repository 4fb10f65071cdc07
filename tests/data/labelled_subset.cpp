// Fractions, lists and held-out parts of a data set with labels.
#include "mec/data/labelled_subset.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <set>

#include "data/fixtures.h"
#include "mec/data/formats/open_dataset.h"

using namespace mec;
using namespace mec::test;

namespace {

// Pixels of one image each; labels as given, of classes a, b, c.
DatasetPtr labelled(const std::vector<std::int32_t>& labels) {
  DatasetInfo info{.kind = "made-up",
                   .channels = 1,
                   .size = {1, 1},
                   .has_labels = true,
                   .class_names = {"a", "b", "c"},
                   .normalization = {.mean = {0.5F}, .std = {0.25F}}};
  return std::make_shared<MemoryDataset>(info, std::vector<std::uint8_t>(labels.size()), labels);
}

// So many of each class, in turns as far as they go.
DatasetPtr of_classes(std::vector<std::int64_t> counts) {
  std::vector<std::int32_t> labels;
  for (bool left = true; left;) {
    left = false;
    for (std::size_t c = 0; c < counts.size(); ++c) {
      if (counts[c]-- <= 0) continue;
      labels.push_back(static_cast<std::int32_t>(c));
      left = true;
    }
  }
  return labelled(labels);
}

std::vector<std::int64_t> counts_of(const Dataset& dataset, const std::vector<std::int64_t>& indices) {
  std::vector<std::int64_t> counts(3);
  for (const std::int64_t i : indices) ++counts.at(static_cast<std::size_t>(dataset.label(i)));
  return counts;
}

bool contains(const std::vector<std::int64_t>& all, const std::vector<std::int64_t>& part) {
  return std::ranges::includes(all, part);
}

DatasetPtr folder_of(const TempFolder& folder, const std::vector<std::string>& files) {
  for (const std::string& file : files) {
    std::filesystem::create_directories((folder / file).parent_path());
    write_bytes(folder / file, "P5 1 1 255\n\x7f");
  }
  return open_dataset({.path = folder / "data", .kind = "folder"});
}

std::vector<std::string> names_of(const Dataset& dataset, const std::vector<std::int64_t>& indices) {
  std::vector<std::string> names;
  for (const std::int64_t i : indices) {
    const std::filesystem::path path = dataset.name(i);
    names.push_back((path.parent_path().filename() / path.filename()).string());
  }
  return names;
}

}  // namespace

TEST_CASE("a fraction has its share of each class, a smaller one is part of it, and a seed chooses others") {
  const DatasetPtr dataset = of_classes({100, 50, 11});
  const auto tenth = draw_of_each_class(*dataset, 0.1, 5), third = draw_of_each_class(*dataset, 0.33, 5);
  CHECK(counts_of(*dataset, tenth) == std::vector<std::int64_t>{10, 5, 1});
  CHECK(counts_of(*dataset, third) == std::vector<std::int64_t>{33, 17, 4});  // 16.5 and 3.63, rounded
  CHECK(std::ranges::is_sorted(third));
  CHECK(std::set(third.begin(), third.end()).size() == third.size());
  CHECK(contains(third, tenth));
  CHECK(draw_of_each_class(*dataset, 0.1, 5) == tenth);
  CHECK(draw_of_each_class(*dataset, 0.1, 6) != tenth);
  CHECK(draw_of_each_class(*dataset, 1, 5).size() == 161);
}

TEST_CASE("each image is drawn equally often") {
  const DatasetPtr dataset = of_classes({10, 10, 10});
  std::vector<int> often(30);
  constexpr int kSeeds = 2000;
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
    for (const std::int64_t i : draw_of_each_class(*dataset, 0.3, seed)) ++often[static_cast<std::size_t>(i)];
  }
  // 600 expected each, with a standard deviation of 20.5.
  for (const int count : often) CHECK(std::abs(count - 600) < 100);
}

TEST_CASE("a fraction that leaves a class without an image says which, and which would do") {
  const DatasetPtr dataset = of_classes({100, 4, 50});
  CHECK_THROWS_WITH_AS(
      draw_of_each_class(*dataset, 0.01, 0),
      "data.fraction is 0.01, which leaves class 'b' of 4 images without any; 0.125 is the least that would do", ValueError);
  CHECK(counts_of(*dataset, draw_of_each_class(*dataset, 0.125, 0))[1] == 1);
  for (const double fraction : {0.0, -0.5, 1.5}) {
    CHECK_THROWS_WITH_AS(draw_of_each_class(*dataset, fraction, 0), doctest::Contains("data.fraction lies above 0"),
                         ValueError);
  }
}

TEST_CASE("held-out images are apart from the rest, of each class alike, and never all of one") {
  const DatasetPtr dataset = of_classes({40, 10, 1});
  const HeldOut parts = hold_out_of_each_class(*dataset, 0.1, 3);
  CHECK(counts_of(*dataset, parts.held_out) == std::vector<std::int64_t>{4, 1, 0});
  CHECK(counts_of(*dataset, parts.rest) == std::vector<std::int64_t>{36, 9, 1});
  std::vector<std::int64_t> both;
  std::ranges::merge(parts.rest, parts.held_out, std::back_inserter(both));
  CHECK(std::ranges::adjacent_find(both) == both.end());
  CHECK(counts_of(*dataset, hold_out_of_each_class(*dataset, 0.99, 3).rest) == std::vector<std::int64_t>{1, 1, 1});
  CHECK_THROWS_WITH_AS(hold_out_of_each_class(*of_classes({2, 2, 2}), 0.1, 3),
                       "data.validation is 0.1, which holds out none of 6 images; choose more", ValueError);
  CHECK_THROWS_WITH_AS(hold_out_of_each_class(*dataset, 1, 3), doctest::Contains("data.validation lies above 0"), ValueError);
}

TEST_CASE("a list names files as published splits do, with folders where names repeat") {
  TempFolder folder;
  const DatasetPtr dataset = folder_of(folder, {"data/train/cat/cat_1.pgm", "data/train/cat/cat_2.pgm", "data/train/cat/x.pgm",
                                                "data/train/dog/dog_1.pgm", "data/train/dog/x.pgm"});
  const auto listed = [&](const std::string& text) {
    write_bytes(folder / "list.txt", text);
    return names_of(*dataset, listed_images(*dataset, folder / "list.txt"));
  };
  using Names = std::vector<std::string>;
  CHECK(listed("dog_1.pgm\ncat_2.pgm\n") == Names{"cat/cat_2.pgm", "dog/dog_1.pgm"});
  CHECK(listed("dog/x.pgm\r\n\r\ncat/cat_1.pgm") == Names{"cat/cat_1.pgm", "dog/x.pgm"});

  const std::string file = (folder / "list.txt").string();
  const auto fails = [&](const std::string& text, const std::string& why) {
    CHECK_THROWS_WITH_AS(listed(text), doctest::Contains(why.c_str()), ValueError);
  };
  fails("cat_1.pgm\nbird_1.pgm\n", file + ":2: 'bird_1.pgm' is none of the 5 images of folder");
  fails("at_1.pgm\n", ":1: 'at_1.pgm' is none");
  fails("at/cat_1.pgm\n", ":1: 'at/cat_1.pgm' is none");
  fails("bird/cat_1.pgm\n", ":1: 'bird/cat_1.pgm' is none");
  fails("x.pgm\n", ":1: 'x.pgm' is the name of 2 images");
  fails("cat_1.pgm\n\ncat/cat_1.pgm\n", ":3: 'cat/cat_1.pgm' is the image of line 1 again");
  fails("\n\n", ": the list of images is empty");
  CHECK_THROWS_AS(listed_images(*dataset, folder / "none.txt"), IoError);
}

TEST_CASE("images in one file are listed by their numbers, also of a part of them") {
  TempFolder folder;
  const DatasetPtr all = of_classes({4, 4, 4}), part = make_subset(all, {3, 5, 7});
  write_bytes(folder / "list.txt", "7\n3\n");
  CHECK(listed_images(*all, folder / "list.txt") == std::vector<std::int64_t>{3, 7});
  CHECK(listed_images(*part, folder / "list.txt") == std::vector<std::int64_t>{0, 2});
  write_bytes(folder / "list.txt", "4\n");
  CHECK_THROWS_WITH_AS(listed_images(*part, folder / "list.txt"), doctest::Contains("'4' is none of the 3 images"), ValueError);
}

TEST_CASE("a class without images is named") {
  const DatasetPtr dataset = of_classes({3, 3, 3});
  CHECK_NOTHROW(check_every_class(*dataset, {0, 1, 2}, "the list"));
  CHECK_NOTHROW(check_every_class(*of_classes({3, 0, 3}), {0, 1}, "the list"));
  CHECK_THROWS_WITH_AS(check_every_class(*dataset, {0, 2}, "the list"), "the list has no image of class 'b'", ValueError);
  DatasetInfo info{
      .kind = "made-up", .channels = 1, .size = {1, 1}, .has_labels = false, .class_names = {}, .normalization = {}};
  const MemoryDataset unlabelled(info, {1, 2}, {});
  CHECK_THROWS_WITH_AS(draw_of_each_class(unlabelled, 0.5, 0), doctest::Contains("have no labels"), ValueError);
}
