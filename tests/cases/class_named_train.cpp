// A class folder that has the name of a split.
#include <doctest/doctest.h>

#include "cases/small_encoder.h"
#include "mec/tensor/io/npy.h"
#include "support/program.h"

using namespace mec;
using namespace mec::test;

TEST_CASE("a class called train, test or val is never taken for the whole data set") {
  for (const char* name : {"train", "test", "val"}) {
    CAPTURE(name);
    const TempFolder folder;
    const std::string encoder = write_small_encoder(folder), out = (folder / "f.npy").string();
    for (const std::string data : {"data", "wrapped/train"}) {
      write_pictures(folder / (data + "/bus"), {230, 20, 20}, 3);
      write_pictures(folder / (data + "/car"), {20, 230, 20}, 3);
      write_pictures(folder / (data + "/" + name), {20, 20, 230}, 3);
    }
    for (const char* split : {"train", "test"}) {
      check_fails(
          folder, 1,
          concat("data: '", name,
                 "' beside 'bus', 'car': split or class? If it is a class, put all "
                 "classes into a folder train/"),
          {"embed", encoder, "--data", (folder / "data").string(), "--split", split, "--out", out});
    }
    const ProgramResult result =
        run_program(folder, {"embed", encoder, "--data", (folder / "wrapped").string(), "--split",
                             "train", "--out", out});
    CHECK(result.status == 0);
    CHECK(result.err.empty());
    CHECK(read_npy(out, make_reference_device()).shape() == Shape{9, 64});
  }
}
