// Pictures of a camera that was held upright: as stored unless that is asked for, in training and
// afterwards.
#include <doctest/doctest.h>

#include <algorithm>

#include "data/fixtures.h"
#include "mec/data/decoders/image_formats.h"
#include "support/program.h"

using namespace mec;
using namespace mec::test;

namespace {

// The same pictures three times: as stored, with a note that they stand upright when turned by 90
// degrees, and so turned.
struct Fixture {
  TempFolder folder;

  Fixture() {
    for (int i = 0; i < 32; ++i) {
      const Image image = random_image({12, 8}, 3, static_cast<std::uint64_t>(i));
      const std::string name = concat(i % 2 == 0 ? "a" : "b", "/", 100 + i, ".png");
      write_bytes(folder / "stored" / name, make_png(12, 8, image.pixels));
      write_bytes(folder / "noted" / name, make_noted_png(image));
      write_bytes(folder / "turned" / name, make_png(8, 12, turned(image).pixels));
    }
  }
  std::string at(const std::string& name) const { return (folder / name).string(); }
  void run(std::vector<std::string> arguments, const std::vector<std::string>& more) const {
    arguments.insert(arguments.end(), more.begin(), more.end());
    const ProgramResult result = run_program(folder, arguments);
    REQUIRE_MESSAGE(result.status == 0, result.err);
  }
  // What a run logs, of every step.
  std::string train(const std::string& data, const std::vector<std::string>& more = {}) const {
    write_bytes(folder / "config.toml", tiny_config(folder / data));
    std::filesystem::remove_all(folder / "run");
    run({"pretrain", at("config.toml"), "--out", at("run"), "--threads", "1"}, more);
    return read_bytes(folder / "run/metrics.jsonl");
  }
  std::string embed(const std::string& data, const std::vector<std::string>& more = {}) const {
    run({"embed", at("run"), "--data", at(data), "--split", "train", "--out", at("f.npy"),
         "--threads", "1"},
        more);
    return read_bytes(folder / "f.npy");
  }
};

}  // namespace

TEST_CASE_FIXTURE(Fixture,
                  "data.exif_orientation trains on pictures that stand upright, and by default "
                  "they are as stored") {
  const std::string upright = train("turned");
  const std::string stored = train("stored");
  CHECK(upright != stored);
  CHECK(train("noted") == stored);
  CHECK(embed("noted") == embed("stored"));
  CHECK(embed("noted", {"--exif-orientation"}) == embed("turned"));
  CHECK(embed("noted", {"--exif-orientation"}) != embed("noted"));
  CHECK(train("noted", {"--set", "data.exif_orientation=true"}) == upright);
  CHECK(embed("noted") == embed("turned"));  // what the run trained on
}

TEST_CASE_FIXTURE(Fixture,
                  "mec info says of every format of image files what reads it, or what would") {
  const ProgramResult result = run_program(folder, {"info"});
  REQUIRE(result.status == 0);
  for (const ImageFormat& format : image_formats()) {
    const std::string line = concat("\n  ", format.name, " (", format.extensions,
                                    "): ", format.is_read() ? format.decoder : "not read: ");
    CHECK_MESSAGE(result.out.find(line) != std::string::npos, std::string(format.name));
    CHECK(result.out.find(format.note) != std::string::npos);
  }
}
