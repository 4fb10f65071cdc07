#include <doctest/doctest.h>

#include "data/fixtures.h"
#include "mec/data/formats/open_dataset.h"
#include "mec/data/gzip.h"
#include "mec/tensor/io/limits.h"

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

TEST_CASE_FIXTURE(Fixture,
                  "the innermost folder that names MNIST or Fashion-MNIST decides which it is") {
  const auto kind = [&](const std::string& inner, const std::string& given) {
    write_bytes(folder / (inner + "/train-images-idx3-ubyte"), kImages);
    write_bytes(folder / (inner + "/train-labels-idx1-ubyte"), kLabels);
    return open_dataset({.path = folder / given})->info().kind;
  };
  CHECK(kind("fashionable/mnist", "fashionable/mnist") == "mnist");
  CHECK(kind("one/fashion_mnist/x", "one/fashion_mnist/x") == "fashion-mnist");
  CHECK(kind("two/FashionMNIST/raw", "two") == "fashion-mnist");
  CHECK(kind("three/MNIST/raw", "three/MNIST") == "mnist");
}

TEST_CASE_FIXTURE(Fixture, "Fashion-MNIST's names hold beside labels that have none") {
  const auto inner = folder / "fashion-mnist";
  write_bytes(inner / "train-images-idx3-ubyte", kImages);
  write_bytes(inner / "train-labels-idx1-ubyte", make_idx({3}, std::string("\x09\x0b\x00", 3)));
  const auto names = open_dataset({.path = inner})->info().class_names;
  REQUIRE(names.size() == 12);
  CHECK(names[9] == "Ankle boot");
  CHECK(names[11] == "11");
}

namespace {

// Files of one image of one pixel.
struct Layouts {
  TempFolder folder;
  void write(const std::string& name, std::uint8_t gray) const {
    write_bytes(folder / name, make_idx({1, 1, 1}, bytes_from(gray, 1)));
  }
  void write_labels(const std::string& name) const {
    write_bytes(folder / name, make_idx({1}, bytes_from(1, 1)));
  }
  DatasetPtr open(Split split = Split::train, const std::string& below = "") const {
    return open_dataset({.path = folder / below, .split = split});
  }
  int gray(Split split = Split::train, const std::string& below = "") const {
    return open(split, below)->read(0).pixels.at(0);
  }
  void refuses(const std::string& why, Split split = Split::train) const {
    CHECK_THROWS_WITH_AS(open(split), doctest::Contains(why.c_str()), IoError);
  }
};

}  // namespace

TEST_CASE_FIXTURE(Layouts,
                  "folders named after the files are looked into, after files of that name") {
  write("train-images-idx3-ubyte/train-images-idx3-ubyte", 5);
  write_labels("train-labels-idx1-ubyte/train-labels.idx1-ubyte");
  CHECK(gray() == 5);
  write("train-images.idx3-ubyte", 6);
  CHECK(gray() == 6);
  write("t10k-images.idx3-ubyte/t10k-images.idx3-ubyte", 7);
  write_labels("t10k-labels-idx1-ubyte");
  CHECK(gray(Split::test) == 7);
}

TEST_CASE_FIXTURE(Layouts, "torchvision's folders are found from above, unless there are several") {
  write("MNIST/raw/train-images-idx3-ubyte", 5);
  write_labels("MNIST/raw/train-labels-idx1-ubyte");
  for (const char* below : {"", "MNIST", "MNIST/raw"}) CHECK(gray(Split::train, below) == 5);
  refuses("MNIST/raw: there is no t10k-images-idx3-ubyte", Split::test);
  CHECK_THROWS_AS(open_dataset({.path = folder.path(), .split = Split::test}), MissingSplit);
  // Half a split is no missing one.
  write("MNIST/raw/t10k-images-idx3-ubyte", 5);
  try {
    open_dataset({.path = folder.path(), .split = Split::test});
    FAIL("it was opened");
  } catch (const IoError& error) {
    CHECK(dynamic_cast<const MissingSplit*>(&error) == nullptr);
  }
  write("KMNIST/raw/train-images-idx3-ubyte", 6);
  write_labels("KMNIST/raw/train-labels-idx1-ubyte");
  CHECK(gray(Split::train, "KMNIST") == 6);
  refuses("there are several data sets: '" + (folder / "KMNIST/raw").string() + "', '");
  write("train-images-idx3-ubyte", 7);  // the folder itself goes before those below
  write_labels("train-labels-idx1-ubyte");
  CHECK(gray() == 7);
}

TEST_CASE_FIXTURE(
    Layouts, "EMNIST's names are read as one set, with a note that its images are transposed") {
  write("emnist-letters-train-images-idx3-ubyte", 5);
  write_labels("emnist-letters-train-labels-idx1-ubyte");
  write("emnist-letters-test-images-idx3-ubyte", 6);
  CHECK(gray() == 5);
  const auto notes = open()->info().notes;
  REQUIRE(notes.size() == 1);
  CHECK(notes[0] == (folder / "emnist-letters-train-images-idx3-ubyte").string() +
                        ": EMNIST stores its images with rows and columns exchanged; they are read "
                        "as they are stored");
  refuses("there is no emnist-letters-test-labels-idx1-ubyte", Split::test);
  write("emnist-digits-train-images-idx3-ubyte", 7);
  refuses(
      "there are files of several data sets: 'emnist-digits', 'emnist-letters'; put the four files "
      "of one into a "
      "folder of their own");
}

TEST_CASE_FIXTURE(Layouts,
                  "plain files go before packed ones, and images need their own set's labels") {
  write("train-images-idx3-ubyte.gz", 5);  // no gzip file, as an error would say if it were read
  write("train-images.idx3-ubyte", 6);
  refuses("there is no train-labels-idx1-ubyte");
  write_labels("train-labels-idx1-ubyte");
  CHECK(gray() == 6);
  write_labels("emnist-mnist-train-labels-idx1-ubyte");
  refuses("several data sets");
}

TEST_CASE_FIXTURE(Layouts, "files of several formats in one folder need a kind") {
  write("MNIST/raw/train-images-idx3-ubyte", 5);
  write_labels("MNIST/raw/train-labels-idx1-ubyte");
  write_bytes(folder / "cifar-10-batches-bin/test_batch.bin", std::string(3073, '\3'));
  refuses("there are files of mnist and of cifar10; name the kind of data set", Split::test);
  CHECK(open_dataset({.path = folder.path(), .kind = "cifar10", .split = Split::test})->label(0) ==
        3);
  CHECK(open_dataset({.path = folder.path(), .kind = "mnist"})->label(0) == 1);
}

TEST_CASE_FIXTURE(Layouts, "more images than can be numbered are refused by the header alone") {
  write_bytes(folder / "train-images-idx3-ubyte", make_idx({0x80000000U, 1, 1}, "x"));
  write_labels("train-labels-idx1-ubyte");
  refuses("announces 2147483648 entries, but a data set has at most 2147483647");
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

// A gzip file of so many zeros, a thousandth as large.
std::string make_bomb(std::size_t bytes) {
  const auto packed = compress_bytes(std::vector<std::uint8_t>(bytes));  // two bytes before, four behind
  const std::string deflated(packed.begin() + 2, packed.end() - 4);
  const std::string header("\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff", 10);
  return header + deflated + little_endian(0) + little_endian(static_cast<std::uint32_t>(bytes));
}

TEST_CASE_FIXTURE(Fixture, "a gzip file that unpacks to far more than itself is refused before it is whole") {
  constexpr std::size_t kAnyway = limits::kUnpackedAnyway;
  refuses(make_bomb(kAnyway + 1), kLabels, " bytes unpack to more than 67108864; data sets of images do not pack");
  refuses(make_bomb(kAnyway - 1), kLabels, "incorrect data check");  // unpacked as a whole
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
