#include <doctest/doctest.h>

#include "data/fixtures.h"
#include "mec/data/dataset.h"

using namespace mec;
using namespace mec::test;

namespace {

const std::string kImages = make_idx({3, 2, 4}, bytes_from(0, 24));
const std::string kLabels = make_idx({3}, bytes_from(7, 3));

struct Fixture {
  TempFolder folder;
  void write_train(const std::string& images, const std::string& labels, const std::string& suffix = "") const {
    write_bytes(folder / ("train-images-idx3-ubyte" + suffix), images);
    write_bytes(folder / ("train-labels-idx1-ubyte" + suffix), labels);
  }
  DatasetPtr open(Split split = Split::train) const { return open_dataset({.path = folder.path(), .split = split}); }
  void refuses(const std::string& images, const std::string& labels, const char* why) const {
    write_train(images, labels);
    CHECK_THROWS_WITH_AS(open(), doctest::Contains(why), IoError);
  }
};

}  // namespace

TEST_CASE_FIXTURE(Fixture, "an IDX pair gives its images and labels") {
  write_train(kImages, kLabels);
  const DatasetPtr data = open();
  CHECK(data->size() == 3);
  CHECK(data->info().kind == "mnist");
  CHECK(data->info().channels == 1);
  CHECK(data->info().size == ImageSize{4, 2});
  CHECK(data->info().class_names.size() == 10);
  CHECK(data->info().normalization == Normalization{{0.1307F}, {0.3081F}});
  const Image image = data->read(1);
  CHECK(image.size() == ImageSize{4, 2});
  CHECK(image.pixels == std::vector<std::uint8_t>{8, 9, 10, 11, 12, 13, 14, 15});
  CHECK(data->label(2) == 9);
  CHECK_THROWS_AS(data->read(3), ValueError);
  CHECK_THROWS_AS(data->label(-1), ValueError);
}

TEST_CASE_FIXTURE(Fixture, "the test split and the dotted file names are found") {
  write_bytes(folder / "t10k-images.idx3-ubyte", kImages);
  write_bytes(folder / "t10k-labels.idx1-ubyte", kLabels);
  CHECK(open(Split::test)->size() == 3);
  CHECK_THROWS_WITH_AS(open(Split::train), doctest::Contains("no train-images-idx3-ubyte"), IoError);
}

TEST_CASE_FIXTURE(Fixture, "a folder named after Fashion-MNIST has its classes and statistics") {
  const auto inner = folder / "Fashion-Mnist";
  write_bytes(inner / "train-images-idx3-ubyte", kImages);
  write_bytes(inner / "train-labels-idx1-ubyte", kLabels);
  const DatasetPtr data = open_dataset({.path = inner});
  CHECK(data->info().kind == "fashion-mnist");
  CHECK(data->info().class_names[9] == "Ankle boot");
  CHECK(data->info().normalization.mean[0] == 0.2860F);
  CHECK(open_dataset({.path = inner, .kind = "mnist"})->info().class_names[9] == "9");
}

TEST_CASE_FIXTURE(Fixture, "limit spreads its images over the data set, and channels converts them") {
  write_train(kImages, kLabels);
  const DatasetPtr two = open_dataset({.path = folder.path(), .limit = 2});
  CHECK(two->size() == 2);
  CHECK(two->label(0) == 7);
  CHECK(two->label(1) == 8);
  CHECK(open_dataset({.path = folder.path(), .limit = 100})->size() == 3);
  const DatasetPtr rgb = open_dataset({.path = folder.path(), .channels = 3});
  CHECK(rgb->info().normalization.mean.size() == 3);
  CHECK(rgb->read(1).pixels[3] == 9);
  CHECK(rgb->read(1).pixels[5] == 9);
  CHECK(rgb->label(1) == 8);
  CHECK_THROWS_AS(open_dataset({.path = folder.path(), .channels = 2}), ValueError);
  CHECK_THROWS_AS(open_dataset({.path = folder.path(), .kind = "svhn"}), ValueError);
}

TEST_CASE_FIXTURE(Fixture, "IDX files that are damaged or do not belong together say what is wrong") {
  refuses(make_idx({3}, "abc"), kLabels, "wrong magic: expected 0,0,8,3");
  refuses(kImages, kImages, "wrong magic: expected 0,0,8,1");
  refuses(kImages, make_idx({2}, "\1\2"), "has 3 images, but");
  refuses(make_idx({3, 0, 4}, ""), kLabels, "dimension 1 of the IDX file is 0: it has no pixels");
  refuses(make_idx({0, 2, 4}, ""), kLabels, "it has no entries");
  refuses(kImages + "x", kLabels, "announces 24 bytes of data, but the file has 25");
  refuses(make_idx({0xffffffffU, 0xffffffffU, 0xffffffffU}, ""), kLabels, "too large");
  std::filesystem::remove(folder / "train-labels-idx1-ubyte");
  CHECK_THROWS_WITH_AS(open(), doctest::Contains("no train-labels-idx1-ubyte"), IoError);
  CHECK_THROWS_WITH_AS(open_dataset({.path = folder / "none"}), doctest::Contains("no such folder"), IoError);
}

TEST_CASE_FIXTURE(Fixture, "a truncated or damaged IDX file is an error and never a crash") {
  write_train(kImages, kLabels);
  check_every_truncation(folder / "train-images-idx3-ubyte", kImages, [&] { open(); });
  write_train(kImages, kLabels);
  check_every_damaged_byte(folder / "train-images-idx3-ubyte", kImages, [&] { open(); });
}

#if MEC_HAVE_ZLIB

TEST_CASE_FIXTURE(Fixture, "gzip files are unpacked, whatever their name") {
  write_train(make_gzip(kImages), make_gzip(kLabels), ".gz");
  CHECK(open()->read(2).pixels[7] == 23);
  write_train(make_gzip(kImages), kLabels);  // these names go before the .gz ones
  CHECK(open()->read(2).pixels[7] == 23);
}

TEST_CASE_FIXTURE(Fixture, "a gzip file of several members is unpacked as one") {
  write_train(make_gzip(kImages.substr(0, 20)) + make_gzip(kImages.substr(20)), kLabels);
  CHECK(open()->read(2).pixels[7] == 23);
}

TEST_CASE_FIXTURE(Fixture, "truncated and damaged gzip data are errors") {
  const std::string packed = make_gzip(kImages);
  std::string flipped = packed;
  flipped[20] ^= 1;
  refuses(packed.substr(0, packed.size() - 1), kLabels, "the gzip file is truncated");
  refuses(flipped, kLabels, "incorrect data check");
  refuses(packed + "rest", kLabels, "damaged");
  write_train(kImages, kLabels);
  check_every_truncation(folder / "train-images-idx3-ubyte", packed, [&] { open(); });
  check_every_damaged_byte(folder / "train-images-idx3-ubyte", packed, [&] { open(); });
}

#else

TEST_CASE_FIXTURE(Fixture, "without zlib, a gzip file is refused with the way out") {
  refuses(make_gzip(kImages), kLabels, "no zlib");
  const std::string same_name = (folder.path().filename() / "train-images-idx3-ubyte").string();
  refuses(make_gzip(kImages), kLabels, (" > PLACE/" + same_name + ")").c_str());
}

#endif

TEST_CASE_FIXTURE(Fixture, "a .gz file that is not gzip is refused") {
  write_train(kImages, kLabels, ".gz");
  CHECK_THROWS_WITH_AS(open(), doctest::Contains("not a gzip file"), IoError);
}
