// Image files of many kinds against Pillow's pixels, whole, cut short and damaged:
// tools/make_image_goldens.py.
#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <set>

#include "mec/data/decoders/decode.h"
#include "mec/data/decoders/image_formats.h"
#include "mec/tensor/devices.h"
#include "support/golden.h"

using namespace mec;
using namespace mec::test;

namespace {

using File = std::vector<std::uint8_t>;

// A kind of file, as tools/make_image_goldens.py describes it.
struct Kind {
  std::string name;
  File file;
  Image pixels;   // none where Pillow refuses the file
  Image upright;  // none where it is as stored

  bool is_refused() const { return pixels.pixels.empty(); }
  const ImageFormat& format() const { return *recognize_image(file); }
};

Image image_of(const Tensor* tensor) {
  if (!tensor) return {};
  const int channels = tensor->shape().rank() == 3 ? 3 : 1;
  const Image image{static_cast<int>(tensor->dim(1)), static_cast<int>(tensor->dim(0)), channels,
                    tensor->to_vector<std::uint8_t>()};
  return with_channels(image, 3);
}

std::vector<Kind> read_kinds() {
  const SafetensorsFile goldens = Golden("images", make_reference_device()).part("");
  std::vector<Kind> kinds;
  for (const NamedTensor& entry : goldens.tensors) {
    if (!entry.name.ends_with("/file")) continue;
    const std::string name = entry.name.substr(0, entry.name.size() - 5);
    // Codes that are wrong: stb_image may notice, or decode them to other pixels.
    if (name == "jpeg/scan_damaged" && find_image_format("x.jpg")->decoder == "stb_image") continue;
    kinds.push_back({name, entry.tensor.to_vector<std::uint8_t>(),
                     image_of(goldens.find(name + "/pixels")),
                     image_of(goldens.find(name + "/upright"))});
  }
  return kinds;
}
const std::vector<Kind>& kinds() {
  static const std::vector<Kind> all = read_kinds();
  return all;
}

Image decode(const File& file, const DecodeOptions& options = {}) {
  return decode_image(file, options, "x");
}

// The reason, "" where the file is decoded.
std::string failure_of(const File& file) {
  try {
    decode(file);
    return {};
  } catch (const IoError& error) {
    return error.what();
  }
}

// Pillow and we decode JPEG with the same library, or else the inverse transform and the colours
// are rounded otherwise.
void check_pixels(const Kind& kind, const Image& image, const Image& expected) {
  CAPTURE(kind.name);
  REQUIRE(image.size() == expected.size());
  const int allowed = kind.format().decoder == "stb_image" && kind.format().name == "JPEG" ? 4 : 0;
  int worst = 0;
  for (std::size_t i = 0; i < image.pixels.size(); ++i)
    worst = std::max(worst, std::abs(image.pixels[i] - expected.pixels[i]));
  CHECK(worst <= allowed);
}

// Kinds that libjpeg reads and stb_image does not, or not as it should.
const std::set<std::string> kNotByStb{"jpeg/422",
                                      "jpeg/422_progressive",
                                      "jpeg/cmyk_without_adobe",
                                      "jpeg/no_end_but_trailer",
                                      "jpeg/restart_missing",
                                      "jpeg/restart_missing_progressive",
                                      "jpeg/scan_cut_short",
                                      "jpeg/stray_before_restart",
                                      "jpeg/stray_ff00",
                                      "jpeg/stray_ff01",
                                      "jpeg/stray_restart"};

// A last number that lost its last digit, and a picture that was cut off before.
const std::set<std::string> kCutUnseen{"pnm/p2", "pnm/p3", "jpeg/scan_cut_short"};

bool is_left_out(const Kind& kind) {
  return !kind.format().is_read() ||
         (kind.format().decoder == "stb_image" && kNotByStb.count(kind.name) > 0);
}

}  // namespace

TEST_CASE("the goldens hold every format that a build may read") {
  std::map<std::string_view, int> count;
  for (const Kind& kind : kinds()) ++count[kind.format().name];
  for (const ImageFormat& format : image_formats()) {
    if (format.is_read()) CHECK_MESSAGE(count[format.name] >= 8, std::string(format.name));
  }
}

TEST_CASE("what Pillow opens has Pillow's pixels, in color and in gray") {
  for (const Kind& kind : kinds()) {
    if (kind.is_refused() || is_left_out(kind)) continue;
    INFO(kind.name, ": ", failure_of(kind.file));
    const Image image = decode(kind.file);
    check_pixels(kind, image, kind.pixels);
    CHECK(decode(kind.file, {.channels = 1}).pixels == with_channels(image, 1).pixels);
  }
}

TEST_CASE("an EXIF orientation is applied where that is asked for, and only there") {
  int turned = 0;
  for (const Kind& kind : kinds()) {
    if (kind.is_refused() || is_left_out(kind)) continue;
    const bool turns = !kind.upright.pixels.empty();
    turned += turns;
    check_pixels(kind, decode(kind.file, {.exif_orientation = true}),
                 turns ? kind.upright : kind.pixels);
  }
  CHECK(turned >= 10);
}

TEST_CASE("what Pillow refuses is an error with a reason") {
  int refused = 0;
  for (const Kind& kind : kinds()) {
    if (!kind.is_refused() || is_left_out(kind)) continue;
    ++refused;
    CAPTURE(kind.name);
    const std::string failure = failure_of(kind.file);
    const std::size_t reason = failure.find("cannot be decoded: ");
    REQUIRE(reason != std::string::npos);
    CHECK(failure.size() > reason + 25);
    CHECK(failure.find('\n') == std::string::npos);
  }
  CHECK(refused >= 15);
}

TEST_CASE("what a build leaves out is an error that says what would read it") {
  for (const Kind& kind : kinds()) {
    if (!is_left_out(kind)) continue;
    CAPTURE(kind.name);
    const std::string failure = failure_of(kind.file);
    if (kind.format().is_read()) {
      CHECK(failure.find("a build of mec with libjpeg-turbo reads more") != std::string::npos);
    } else {
      CHECK(failure ==
            concat("x: this build does not read ", kind.format().name, ": ", kind.format().note));
    }
  }
}

TEST_CASE("a truncated image file is an error, or has the whole picture") {
  for (const Kind& kind : kinds()) {
    if (kind.is_refused() || is_left_out(kind) || kCutUnseen.count(kind.name) > 0) continue;
    CAPTURE(kind.name);
    for (std::size_t length = 0; length < kind.file.size(); ++length) {
      CAPTURE(length);
      const File part(kind.file.begin(), kind.file.begin() + static_cast<std::ptrdiff_t>(length));
      if (failure_of(part).empty())
        check_pixels(kind, decode(part), kind.pixels);  // bytes behind it were missing
    }
  }
}

TEST_CASE(
    "a damaged image file is decoded to the same pixels each time, or an error, and never a "
    "crash") {
  for (const Kind& kind : kinds()) {
    if (!kind.format().is_read()) continue;
    CAPTURE(kind.name);
    for (std::size_t at = 0; at < kind.file.size(); at += at < 128 ? 1 : 3) {  // headers whole
      CAPTURE(at);
      File damaged = kind.file;
      damaged[at] = static_cast<std::uint8_t>(~damaged[at]);
      try {
        const Image first = decode(damaged);
        // Other bytes in the memory that the second one gets.
        const std::vector<std::uint8_t> litter(first.pixels.size() + 1000,
                                               static_cast<std::uint8_t>(at));
        CHECK(decode(damaged).pixels == first.pixels);
      } catch (const IoError& error) {
        CHECK(std::string(error.what()).size() > 20);
      }
    }
  }
}
