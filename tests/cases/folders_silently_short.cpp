// Folders whose images are reached by links, or lie beside files and folders that are not the data
// set's.
#include <doctest/doctest.h>

#include <algorithm>

#include "cases/small_encoder.h"
#include "mec/data/decoders/image_formats.h"
#include "mec/tensor/io/npy.h"
#include "support/paths.h"
#include "support/program.h"

using namespace mec;
using namespace mec::test;

namespace {

namespace fs = std::filesystem;

struct Fixture {
  TempFolder folder;
  std::string encoder = write_small_encoder(folder);

  void picture(const std::string& name, std::uint64_t variant) const {
    write_bytes(folder / name, make_picture({100, 100, 100}, variant));
  }
  struct Embedded {
    std::string features, said;
  };
  Embedded embed(const fs::path& data) const {
    const std::string out = (folder / "f.npy").string();
    const ProgramResult result =
        run_program(folder, {"embed", encoder, "--data", data.string(), "--split", "train", "--out",
                             out, "--threads", "1"});
    REQUIRE_MESSAGE(result.status == 0, result.err);
    return {.features = read_bytes(out), .said = result.err};
  }
  std::int64_t rows() const {
    return read_npy((folder / "f.npy").string(), make_reference_device()).dim(0);
  }
};

}  // namespace

TEST_CASE_FIXTURE(Fixture, "images behind a link to a folder are embedded like copies of them") {
  for (const char* data : {"linked", "copied"}) {
    picture(concat(data, "/a/0.png"), 0);
    picture(concat(data, "/a/1.png"), 1);
  }
  for (const char* place : {"elsewhere", "copied/a/more"}) {
    picture(concat(place, "/0.png"), 2);
    picture(concat(place, "/1.png"), 3);
  }
  fs::create_symlink("../../elsewhere", folder / "linked/a/more");
  const Embedded linked = embed(folder / "linked");
  CHECK(linked.said.empty());
  CHECK(rows() == 4);
  CHECK(linked.features == embed(folder / "copied").features);
  fs::create_symlink("..", folder / "linked/a/back");
  check_fails(folder, 1, "a/back: this link leads to '",
              {"embed", encoder, "--data", (folder / "linked").string(), "--split", "train",
               "--out", (folder / "g.npy").string()});
}

TEST_CASE_FIXTURE(Fixture, "hidden folders are left out, and one line says so") {
  for (const char* data : {"clean", "hidden"}) {
    picture(concat(data, "/a/0.png"), 0);
    picture(concat(data, "/a/1.png"), 1);
  }
  picture("hidden/a/.ipynb_checkpoints/0-checkpoint.png", 2);
  const Embedded hidden = embed(folder / "hidden");
  CHECK(hidden.said == concat("mec: ", (folder / "hidden").string(),
                              ": passed over 1 folder .ipynb_checkpoints (hidden)\n"));
  CHECK(rows() == 2);
  const Embedded clean = embed(folder / "clean");
  CHECK(clean.said.empty());
  CHECK(hidden.features == clean.features);
}

TEST_CASE_FIXTURE(Fixture,
                  "each extension is read, or counted in one line with what would read it") {
  const fs::path data = source_dir() / "tests/cases/folders_silently_short/extensions";
  const Embedded embedded = embed(data);
  std::int64_t expected = 0;
  for (const char* name : {"x.bmp", "x.gif", "x.png", "x.tif", "x.webp", "y.jfif"}) {
    const ImageFormat* const format = find_image_format(name);
    if (format && format->is_read()) ++expected;
    else {
      const std::string why = format
                                  ? concat("this build reads no ", format->name, ": ", format->note)
                                  : "not an image by its name";
      CHECK(embedded.said.find(concat("1 ", fs::path(name).extension().string(), " (", why, ")")) !=
            std::string::npos);
    }
  }
  CHECK(rows() == expected);
  CHECK(std::ranges::count(embedded.said, '\n') == (expected < 6 ? 1 : 0));
}

TEST_CASE_FIXTURE(
    Fixture, "what is passed over is said once for each data set, however often it is opened") {
  for (const char* split : {"train", "test"}) {
    write_pictures(folder / concat("data/", split, "/a"), {20, 20, 20}, 4);
    write_pictures(folder / concat("data/", split, "/b"), {230, 20, 20}, 4);
    write_bytes(folder / concat("data/", split, "/a/list.txt"), "x");
  }
  const std::string data = (folder / "data").string();
  const ProgramResult result = run_program(
      folder, {"study", "noise", encoder, encoder, "--data", data, "--k", "1", "--sigma", "0",
               "--on", "inputs", "--out", (folder / "study").string(), "--threads", "1"});
  CHECK(result.status == 0);
  CHECK(result.err == concat("mec: ", data,
                             "/train: passed over 1 .txt (not an image by its name)\nmec: ", data,
                             "/test: passed over 1 .txt (not an image by its name)\n"));
}
