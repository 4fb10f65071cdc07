// MNIST's files in the folders that archives and programs make of them.
#include <doctest/doctest.h>

#include "cases/small_encoder.h"
#include "support/program.h"

using namespace mec;
using namespace mec::test;

TEST_CASE("MNIST's files give the same features however they were unpacked") {
  const TempFolder folder;
  const std::string encoder = write_small_encoder(folder, 1);
  write_images(folder / "plain", 12, 8);
  write_images(folder / "torchvision/MNIST/raw", 12, 8);
  for (const char* name : {"train-images-idx3-ubyte", "train-labels-idx1-ubyte",
                           "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"}) {
    const std::string content = read_bytes(folder / "plain" / name);
    std::string dotted = name;
    dotted[dotted.find("-idx")] = '.';
    write_bytes(folder / concat("kaggle/", name, "/", name), content);
    write_bytes(folder / concat("kaggle/", dotted), content);
    write_bytes(folder / concat("folders/", name, "/", dotted), content);
  }
  const auto embed = [&](const std::string& data, const std::string& split) {
    const std::string out = (folder / "f.npy").string();
    const ProgramResult result =
        run_program(folder, {"embed", encoder, "--data", (folder / data).string(), "--split", split,
                             "--out", out, "--threads", "1"});
    REQUIRE_MESSAGE(result.status == 0, result.err);
    return read_bytes(out);
  };
  for (const char* split : {"train", "test"}) {
    const std::string expected = embed("plain", split);
    for (const char* layout :
         {"kaggle", "folders", "torchvision", "torchvision/MNIST", "torchvision/MNIST/raw"}) {
      CAPTURE(layout);
      CHECK(embed(layout, split) == expected);
    }
  }
}
