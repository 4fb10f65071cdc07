#include <doctest/doctest.h>

#include "data/fixtures.h"
#include "mec/data/formats/open_dataset.h"

using namespace mec;
using namespace mec::test;

namespace {

const std::string kPng = make_png(2, 1, {255, 0, 0, 10, 20, 30});

}  // namespace

TEST_CASE("sub-folders are classes, in the order of their names") {
  const TempFolder folder;
  write_bytes(folder / "dog/b.png", make_png(1, 1, {2}));
  write_bytes(folder / "dog/a/z.PNG", make_png(1, 1, {1}));
  write_bytes(folder / "cat/x.jpeg", make_jpeg());
  write_bytes(folder / "cat/notes.txt", "not an image");
  write_bytes(folder / ".cache/y.png", kPng);
  const DatasetPtr data = open_dataset({.path = folder.path(), .channels = 1});
  CHECK(data->info().kind == "folder");
  CHECK(data->info().size == ImageSize{});
  CHECK(data->info().class_names == std::vector<std::string>{"cat", "dog"});
  REQUIRE(data->size() == 3);
  CHECK(data->label(0) == 0);
  CHECK(data->label(2) == 1);
  CHECK(data->read(0).size() == ImageSize{16, 8});
  CHECK(data->read(1).pixels == std::vector<std::uint8_t>{1});
  CHECK(data->read(2).pixels == std::vector<std::uint8_t>{2});
}

TEST_CASE("splits are called train and test") {
  CHECK(parse_split("train") == Split::train);
  CHECK(parse_split("test") == Split::test);
  CHECK_THROWS_WITH_AS(parse_split("val"), doctest::Contains("splits train and test, not 'val'"), ValueError);
}

TEST_CASE("a limit takes images from all over the data set, not the first class alone") {
  const TempFolder folder;
  for (const char* name : {"a/1", "a/2", "a/3", "b/1", "b/2", "b/3", "c/1", "c/2"})
    write_bytes(folder / concat(name, ".png"), kPng);
  const DatasetPtr data = open_dataset({.path = folder.path(), .limit = 4});  // images 0, 2, 4 and 6
  REQUIRE(data->size() == 4);
  for (const auto& [i, label] : {std::pair{0, 0}, {1, 0}, {2, 1}, {3, 2}}) CHECK(data->label(i) == label);
}

TEST_CASE("images directly in a folder have no labels and three channels by default") {
  const TempFolder folder;
  write_bytes(folder / "b.png", kPng);
  write_bytes(folder / "a.png", make_png(1, 1, {9}));
  const DatasetPtr data = open_dataset({.path = folder.path()});
  CHECK(!data->info().has_labels);
  CHECK(data->info().class_names.empty());
  CHECK(data->read(0).pixels == std::vector<std::uint8_t>{9, 9, 9});
  CHECK_THROWS_WITH_AS(data->label(0), doctest::Contains("no labels"), ValueError);
  CHECK(data->info().normalization == normalization_preset("imagenet"));
}

TEST_CASE("a folder with train and val takes the split from there, and one without has no test split") {
  const TempFolder folder;
  write_bytes(folder / "train/a/1.png", kPng);
  write_bytes(folder / "train/b/1.png", kPng);
  write_bytes(folder / "val/a/1.png", kPng);
  CHECK(open_dataset({.path = folder.path()})->size() == 2);
  CHECK(open_dataset({.path = folder.path(), .split = Split::test})->size() == 1);
  CHECK_THROWS_WITH_AS(open_dataset({.path = folder / "train", .split = Split::test}),
                       doctest::Contains("no test/ or val/ folder"), MissingSplit);
}

namespace {

// Empty files do for layouts: only reading looks into them.
struct Layout {
  TempFolder folder;
  explicit Layout(const std::vector<const char*>& files) {
    for (const char* file : files) write_bytes(folder / file, "");
  }
  DatasetPtr open(Split split = Split::train) const {
    return open_dataset({.path = folder.path(), .split = split});
  }
  void refuses(const std::string& why, Split split = Split::train) const {
    CHECK_THROWS_WITH_AS(open(split), doctest::Contains(why.c_str()), IoError);
  }
};

using Names = std::vector<std::string>;

}  // namespace

TEST_CASE("a class named like a split beside other classes is refused, whatever its case") {
  for (const char* name : {"train", "Train", "TRAIN", "test", "val", "valid", "validation"}) {
    const std::string file = concat(name, "/0.png");
    const Layout layout({"bus/0.png", "car/0.png", file.c_str()});
    for (const Split split : {Split::train, Split::test}) {
      layout.refuses(concat("'", name, "' beside 'bus', 'car': split or class?"), split);
    }
  }
}

TEST_CASE("within a split a class may be named train") {
  const Layout layout(
      {"train/bus/0.png", "train/car/0.png", "train/train/0.png", "train/test/0.png"});
  CHECK(layout.open()->size() == 4);
  CHECK(layout.open()->info().class_names == Names{"bus", "car", "test", "train"});
}

TEST_CASE("splits are found in either case and under their usual names") {
  CHECK(Layout({"Train/a/0.png", "TEST/a/0.png"}).open(Split::test)->size() == 1);
  CHECK(Layout({"train/a/0.png", "train/a/1.png", "valid/a/0.png"}).open(Split::test)->size() == 1);
  CHECK(Layout({"train/a/0.png", "train/a/1.png", "validation/a/0.png"}).open()->size() == 2);
  const Layout both({"train/a/0.png", "val/a/0.png", "val/a/1.png", "test/a/0.png"});
  CHECK(both.open(Split::test)->size() == 1);  // test goes before val
  Layout({"train/a/0.png", "Train/a/0.png"}).refuses("'Train', 'train' stand for one split");
}

TEST_CASE("a split that is not there is an error that says what is") {
  Layout({"train/a/0.png"}).refuses("there is 'train', but no folder test/ or val/", Split::test);
  Layout({"test/a/0.png"}).refuses("there is 'test', but no folder train/");
  Layout({"val/a/0.png", "README.md"}).refuses("there is 'val', but no folder train/");
}

TEST_CASE("what has no images may stand beside splits, and images there are noted") {
  const Layout layout(
      {"train/a/0.png", "test/a/0.png", "README.md", ".git/x.png", "__MACOSX/train/a/._0.png"});
  CHECK(layout.open()->size() == 1);
  CHECK(layout.open()->info().notes.empty());
  const Layout more({"train/a/0.png", "test/a/0.png", "labels/a.txt", "logo.png"});
  const std::string path = (more.folder / "train").string();
  CHECK(more.open()->info().notes == Names{path + ": passed over 1 .png (beside 'test', 'train'), "
                                                  "1 folder labels (no images to read in it)"});
  Layout({"train/a/0.png", "test/a/0.png", "extra/0.png"})
      .refuses("'test', 'train' beside 'extra'");
  // An image that this build does not read is one.
  Layout({"train/a/0.png", "bus/0.heic"}).refuses("'train' beside 'bus'");
}

TEST_CASE("a data set in a folder of its own is not taken for a class") {
  const Layout layout({"unpacked/train/a/0.png", "unpacked/test/a/0.png", "__MACOSX/x"});
  layout.refuses("unpacked: the only class holds 'test', 'train': it is a data set itself");
  CHECK(open_dataset({.path = layout.folder / "unpacked"})->size() == 1);
  CHECK(Layout({"car/train/0.png", "car/old/0.png"}).open()->info().class_names == Names{"car"});
}

TEST_CASE("folders without images, or where it is unclear what they are, are refused") {
  const TempFolder folder;
  const auto refuses = [&](const char* why) {
    CHECK_THROWS_WITH_AS(open_dataset({.path = folder.path()}), doctest::Contains(why), IoError);
  };
  refuses(": there are no images here; this build reads JPEG, PNG");
  write_bytes(folder / "empty/readme.txt", "");
  refuses(
      "no images here, passed over 1 .txt (not an image by its name), 1 folder empty (no images to "
      "read in it)");
  write_bytes(folder / "a.png", kPng);
  CHECK(open_dataset({.path = folder.path()})->size() == 1);
  write_bytes(folder / "full/b.png", kPng);
  refuses("1 images beside sub-folders");
  CHECK_THROWS_WITH_AS(open_dataset({.path = folder / "a.png"}),
                       doctest::Contains("it is a file; unpack it"), IoError);
}

TEST_CASE("a subset keeps the order it was given and refuses what is not there") {
  const auto data = random_dataset(5, {2, 2}, 1);
  const DatasetPtr subset = make_subset(data, {4, 0});
  CHECK(subset->size() == 2);
  CHECK(subset->read(0).pixels == data->read(4).pixels);
  CHECK(subset->label(1) == 0);
  CHECK_THROWS_AS(subset->read(2), ValueError);
  CHECK_THROWS_AS(make_subset(data, {5}), ValueError);
}

TEST_CASE("a data set in memory must have the sizes it claims") {
  DatasetInfo info;
  info.channels = 1;
  info.size = {2, 2};
  CHECK_THROWS_AS(MemoryDataset(info, std::vector<std::uint8_t>(7), {}), ShapeError);
  CHECK_THROWS_AS(MemoryDataset(info, std::vector<std::uint8_t>(8), {1}), ShapeError);
  CHECK_THROWS_WITH_AS(MemoryDataset(info, std::vector<std::uint8_t>(8), {0, -1}),
                       doctest::Contains("labels count from 0, but one is -1"), ValueError);
  CHECK_NOTHROW(MemoryDataset(info, std::vector<std::uint8_t>(8), {0, 7}));
  info.class_names = {"a", "b"};
  CHECK_THROWS_WITH_AS(MemoryDataset(info, std::vector<std::uint8_t>(8), {0, 2}),
                       doctest::Contains("a label is 2, but only the 2 labels"), ValueError);
  info.size = {0, 2};
  CHECK_THROWS_AS(MemoryDataset(info, {}, {}), ShapeError);
}
