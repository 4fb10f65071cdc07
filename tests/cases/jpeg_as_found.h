// JPEG files as they were found, in tests/cases/jpeg_as_found, each with a PNG of Pillow's pixels
// beside it.
#pragma once

#include <algorithm>

#include "cases/small_encoder.h"
#include "mec/data/decoders/image_formats.h"
#include "mec/tensor/io/npy.h"
#include "support/paths.h"
#include "support/program.h"

namespace mec::test {

struct JpegFixture {
  TempFolder folder;
  std::string encoder = write_small_encoder(folder);

  static bool has_libjpeg() { return find_image_format("x.jpg")->decoder == "libjpeg"; }

  std::vector<std::string> embed_command(const std::string& data) const {
    return {"embed",     encoder, "--data", (folder / data).string(),
            "--split",   "train", "--out",  (folder / "f.npy").string(),
            "--threads", "1"};
  }
  // Features of the files in a folder, one row each.
  std::vector<std::vector<float>> embed(const std::string& data) const {
    const ProgramResult result = run_program(folder, embed_command(data));
    REQUIRE_MESSAGE(result.status == 0, result.err);
    CHECK(result.err.empty());  // libraries print nothing
    const Tensor features = read_npy((folder / "f.npy").string(), make_reference_device());
    const std::vector<float> values = features.to_vector<float>();
    std::vector<std::vector<float>> rows;
    const auto width = static_cast<std::ptrdiff_t>(features.dim(1));
    for (auto at = values.begin(); at != values.end(); at += width)
      rows.emplace_back(at, at + width);
    return rows;
  }
  void copy(const std::string& name, const std::string& to) const {
    write_bytes(folder / to, read_bytes(source_dir() / "tests/cases/jpeg_as_found" / name));
  }
  // libjpeg gives Pillow's pixels, to the bit; without it the file is refused, and the line says
  // what would read it.
  void check_as_pillow(const std::string& name) const {
    CAPTURE(name);
    copy(name + ".jpg", name + "/a.jpg");
    if (!has_libjpeg()) {
      check_fails(folder, 1, "a build of mec with libjpeg-turbo reads more", embed_command(name));
      return;
    }
    copy(name + ".png", name + "/b.png");
    const auto rows = embed(name);
    REQUIRE(rows.size() == 2);
    CHECK(rows[0] == rows[1]);
    CHECK(*std::max_element(rows[0].begin(), rows[0].end()) > 0);
  }
};

}  // namespace mec::test
