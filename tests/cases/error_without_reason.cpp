// Files that were refused without a reason: some are read now, the others say why not.
#include <doctest/doctest.h>

#include "cases/jpeg_as_found.h"

using namespace mec;
using namespace mec::test;

TEST_CASE_FIXTURE(JpegFixture, "a JPEG file of height 0 is an error with a reason") {
  copy("height_0.jpg", "data/a.jpg");
  check_fails(folder, 1,
              concat("data/a.jpg: the JPEG file cannot be decoded: ",
                     has_libjpeg() ? "Empty JPEG image (DNL not supported)"
                                   : "the image is 48x0: it has no pixels"),
              embed_command("data"));
}

TEST_CASE_FIXTURE(
    JpegFixture, "a JPEG file whose header asks for arithmetic coding is read as Pillow reads it") {
  check_as_pillow("arithmetic_header");
}

// The longest side that stb_image took was 65536.
TEST_CASE_FIXTURE(JpegFixture,
                  "an image of 70000x1 pixels has the features of its copy in another format") {
  constexpr std::uint32_t kWidth = 70000;
  std::string row;
  for (std::uint32_t i = 0; i < kWidth / 8; ++i) row += static_cast<char>(i * i / 7);
  write_bytes(folder / "data/a.png",
              png_start(kWidth, 1, 1, 0) + png_body(1, {row.begin(), row.end()}));
  for (char& c : row) c = static_cast<char>(~c);  // there 1 is black
  write_bytes(folder / "data/b.pbm", concat("P4 ", kWidth, " 1\n", row));
  const auto rows = embed("data");
  REQUIRE(rows.size() == 2);
  CHECK(rows[0] == rows[1]);
}
