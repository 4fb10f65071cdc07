// PNG files of which a byte or a bit is wrong.
#include <doctest/doctest.h>

#include "cases/jpeg_as_found.h"

using namespace mec;
using namespace mec::test;

namespace {

std::string flipped(std::string file, std::size_t at) {
  file[at] = static_cast<char>(file[at] ^ 0x10);
  return file;
}

}  // namespace

TEST_CASE_FIXTURE(
    JpegFixture,
    "a PNG file with a damaged byte is an error that names it, and so is one cut short") {
  const std::string whole = make_picture({90, 120, 30}, 1);
  const std::size_t data = whole.find("IDAT") + 4;
  const std::size_t checksum = whole.find("IEND") - 8;
  const std::string end = png_chunk("IEND", "");
  const std::string body = whole.substr(data, checksum - data);
  const std::string kind = "the PNG file cannot be decoded: ";
  const auto refuses = [&](const std::string& file, const std::string& why) {
    write_bytes(folder / "data/a.png", file);
    check_fails(folder, 1, "data/a.png: " + why, embed_command("data"));
  };
  write_bytes(folder / "data/a.png", whole);
  CHECK(embed("data").size() == 1);
  std::filesystem::remove(folder / "f.npy");
  refuses(flipped(whole, data + 40), kind);  // a pixel
  refuses(flipped(whole, checksum), kind);   // the chunk's checksum
  refuses(flipped(whole, 20), kind);         // the width
  refuses(whole.substr(0, data - 8) + png_chunk("IDAT", flipped(body, 40)) + end,
          kind);  // zlib's checksum
  refuses(whole.substr(0, data - 8) + png_chunk("IDAT", body.substr(0, 60)) + end,
          kind);  // rows are missing
  refuses(whole.substr(0, 33) + flipped(png_chunk("tEXt", "a\0b"), 9) + whole.substr(33),
          kind);  // a comment
  refuses(whole.substr(0, whole.size() - 12), kind + "the file is truncated");
}
