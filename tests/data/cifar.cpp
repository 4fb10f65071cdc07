#include <doctest/doctest.h>

#include "data/fixtures.h"
#include "mec/data/formats/open_dataset.h"

using namespace mec;
using namespace mec::test;

namespace {

// A record whose red, green and blue planes start with 10, 20, 30 and count up.
std::string record(const std::string& labels) {
  return labels + bytes_from(10, 1024) + bytes_from(20, 1024) + bytes_from(30, 1024);
}

void write_cifar10(const TempFolder& folder, const std::string& inner = "") {
  for (char i = 1; i <= 5; ++i) {
    write_bytes(folder / concat(inner, "data_batch_", int{i}, ".bin"), record(std::string(1, i)) + record("\x09"));
  }
  write_bytes(folder / (inner + "test_batch.bin"), record("\x03"));
}

}  // namespace

TEST_CASE("CIFAR-10 batches are read in order, planes become RGB pixels") {
  const TempFolder folder;
  write_cifar10(folder);
  const DatasetPtr data = open_dataset({.path = folder.path()});
  CHECK(data->info().kind == "cifar10");
  CHECK(data->size() == 10);
  CHECK(data->label(0) == 1);
  CHECK(data->label(8) == 5);
  const Image image = data->read(3);
  CHECK(image.size() == ImageSize{32, 32});
  CHECK(std::vector<std::uint8_t>(image.pixels.begin(), image.pixels.begin() + 6) ==
        std::vector<std::uint8_t>{10, 20, 30, 11, 21, 31});
  CHECK(data->info().normalization.std == std::vector<float>{0.2470F, 0.2435F, 0.2616F});
  CHECK(open_dataset({.path = folder.path(), .split = Split::test})->label(0) == 3);
}

TEST_CASE("CIFAR-10 is found in the folder of the archive, with its class names") {
  const TempFolder folder;
  write_cifar10(folder, "cifar-10-batches-bin/");
  std::string names;
  for (char c = 'a'; c < 'k'; ++c) names += concat(c, "\n");
  write_bytes(folder / "cifar-10-batches-bin/batches.meta.txt", names + "\n");
  CHECK(open_dataset({.path = folder.path()})->info().class_names[9] == "j");
}

TEST_CASE("CIFAR is found in folders that name it, unless there are several") {
  const TempFolder folder;
  write_cifar10(folder, "cifar10/cifar-10-batches-bin/");
  CHECK(open_dataset({.path = folder.path()})->label(0) == 1);
  CHECK(open_dataset({.path = folder / "cifar10"})->size() == 10);
  write_bytes(folder / "CIFAR-100-binary/train.bin", record("\x05\x63"));
  CHECK_THROWS_WITH_AS(open_dataset({.path = folder.path()}),
                       doctest::Contains("files of cifar10 and of cifar100"), IoError);
  CHECK(open_dataset({.path = folder.path(), .kind = "cifar100"})->label(0) == 99);
  write_cifar10(folder, "cifar-copy/");
  CHECK_THROWS_WITH_AS(open_dataset({.path = folder.path(), .kind = "cifar10"}),
                       doctest::Contains("there are several data sets"), IoError);
}

TEST_CASE("CIFAR's files for Python are refused with the way out") {
  const TempFolder folder;
  for (const char* name : {"data_batch_1", "test_batch", "batches.meta"}) {
    write_bytes(folder / concat("ten/cifar-10-batches-py/", name), "pickle");
  }
  for (const char* name : {"train", "test", "meta"})
    write_bytes(folder / concat("cifar-100-python/", name), "pickle");
  for (const char* below : {"ten", "ten/cifar-10-batches-py"}) {
    CHECK_THROWS_WITH_AS(open_dataset({.path = folder / below}),
                         doctest::Contains("unpack cifar-10-binary.tar.gz"), IoError);
  }
  CHECK_THROWS_WITH_AS(open_dataset({.path = folder.path()}),
                       doctest::Contains("CIFAR-100's files for Python (pickles)"), IoError);
  write_cifar10(folder, "ten/cifar-10-batches-bin/");  // beside them
  CHECK(open_dataset({.path = folder / "ten"})->size() == 10);
}

TEST_CASE("CIFAR's class names are numbers where the list does not tell classes apart") {
  const TempFolder folder;
  write_cifar10(folder);
  write_bytes(folder / "batches.meta.txt", "a\na\nc\nd\ne\nf\ng\nh\ni\nj\n");
  CHECK(open_dataset({.path = folder.path()})->info().class_names[9] == "9");
}

TEST_CASE("of CIFAR-100's two labels the fine one counts") {
  const TempFolder folder;
  write_bytes(folder / "train.bin", record("\x05\x63"));
  const DatasetPtr data = open_dataset({.path = folder.path()});
  CHECK(data->info().kind == "cifar100");
  CHECK(data->label(0) == 99);
  CHECK(data->info().class_names.size() == 100);
  CHECK_THROWS_WITH_AS(open_dataset({.path = folder.path(), .split = Split::test}), doctest::Contains(": there is no test.bin"),
                       MissingSplit);
}

TEST_CASE("damaged CIFAR files say what is wrong") {
  const TempFolder folder;
  write_cifar10(folder);
  std::filesystem::remove(folder / "data_batch_4.bin");
  const auto refuses = [&](const char* why) {
    CHECK_THROWS_WITH_AS(open_dataset({.path = folder.path()}), doctest::Contains(why), IoError);
  };
  refuses("data_batch_4.bin: no such file");
  write_bytes(folder / "data_batch_4.bin", record("\x01").substr(1));
  refuses("data_batch_4.bin: 3072 bytes are not a whole number");
  write_bytes(folder / "data_batch_4.bin", "");
  refuses("data_batch_4.bin: 0 bytes");
  write_bytes(folder / "data_batch_4.bin", record("\x0a"));
  refuses("record 0 has label 10");
}
