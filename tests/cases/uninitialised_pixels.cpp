// Palettes that are shorter than the indices: pixels came from memory that nobody wrote.
#include <doctest/doctest.h>

#include <cstdlib>

#include "cases/jpeg_as_found.h"

using namespace mec;
using namespace mec::test;

namespace {

constexpr std::uint32_t kSide = 24;

std::vector<std::uint8_t> indices() {
  RandomStream random(7, 0, 0, Purpose::test);
  std::vector<std::uint8_t> values;
  for (std::uint32_t i = 0; i < kSide * kSide; ++i)
    values.push_back(static_cast<std::uint8_t>(random.below(i % 3 == 0 ? 2 : 256)));
  return values;
}

// Fills memory that is handed out, and that is given back, with another byte.
struct FilledMemory {
  explicit FilledMemory(const char* byte) { setenv("MALLOC_PERTURB_", byte, 1); }
  ~FilledMemory() { unsetenv("MALLOC_PERTURB_"); }
};

}  // namespace

TEST_CASE_FIXTURE(
    JpegFixture,
    "palette indices beyond the palette are black, in every run and whatever was in memory") {
  const std::string colors("\x0a\x14\x1e\x28\x32\x3c", 6);
  std::vector<std::uint8_t> rgb;
  for (const std::uint8_t index : indices()) {
    for (std::size_t i = 0; i < 3; ++i)
      rgb.push_back(index < 2 ? static_cast<std::uint8_t>(colors[3U * index + i])
                              : std::uint8_t{0});
  }
  const std::string palette =
      png_start(kSide, kSide, 8, 3) + png_chunk("PLTE", colors) + png_body(kSide, indices());
  write_bytes(folder / "data/a.png", palette);
  write_bytes(folder / "data/b.png", make_png(kSide, kSide, rgb));
  write_bytes(folder / "data/c.png", palette);
  std::vector<std::vector<float>> first;
  for (const char* byte : {"0", "85", "170"}) {
    const FilledMemory filled(byte);
    const auto rows = embed("data");
    REQUIRE(rows.size() == 3);
    CHECK(rows[0] == rows[1]);
    CHECK(rows[0] == rows[2]);
    if (first.empty()) first = rows;
    CHECK(rows == first);
  }
}
