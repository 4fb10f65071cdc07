// JPEG by stb_image, for builds without libjpeg. stb_image reports few kinds of damage, and no
// missing data. So the segments are checked first, and files that it would decode wrongly are
// refused.
#include <algorithm>
#include <array>
#include <cstring>
#include <numeric>

#include "mec/data/decoders/decoder.h"
#include "mec/data/decoders/exif.h"
#include "mec/data/decoders/stb.h"
#include "mec/tensor/error.h"

namespace mec {
namespace {

enum Marker : std::uint8_t {
  kSof0 = 0xc0,
  kDht = 0xc4,
  kSofLast = 0xcf,
  kRst0 = 0xd0,
  kSoi = 0xd8,
  kEoi = 0xd9,
  kSos = 0xda
};
enum OtherMarker : std::uint8_t { kDri = 0xdd, kApp1 = 0xe1, kApp14 = 0xee };

// The tables of a Huffman segment fill it exactly and have at most 256 codes. stb_image up to 2.27
// writes past its arrays where this does not hold.
bool huffman_tables_fit(Bytes segment) {
  while (!segment.empty()) {
    if (segment.size() < 17) return false;
    const auto counts = segment.subspan(1, 16);
    const std::size_t codes = std::accumulate(counts.begin(), counts.end(), std::size_t{0});
    if (codes > 256 || segment.size() < 17 + codes) return false;
    segment = segment.subspan(17 + codes);
  }
  return true;
}

// A component of the frame: its number, and how many blocks it has across and down in one minimum
// coded unit.
struct Component {
  std::uint8_t id;
  std::uint32_t across, down;
};

class Walker {
 public:
  explicit Walker(Bytes file) : file_(file) {}

  // Throws unless stb_image can be trusted with the file. Returns a copy of the file with stray
  // bytes between each scan's data and the next marker: a decoder reads them only where the scan's
  // data run out.
  std::vector<std::uint8_t> walk() {
    while (true) {
      const std::uint8_t marker = next_marker();
      if (marker == kEoi) break;
      if (marker < kSof0 || (marker >= kRst0 && marker <= kSoi)) continue;
      const std::uint32_t length = big_16(file_, at_);  // with its own two bytes
      check<IoError>(length >= 2, "a segment of the JPEG file is damaged: its length is ", length);
      take_segment(marker, part_of(file_, at_, length).subspan(2));
      at_ += length;
      if (marker == kSos) skip_scan();
    }
    copy_to(file_.size());
    return std::move(variant_);
  }

  int orientation() const { return orientation_; }

 private:
  // Moves past the next marker: 0xff and a byte that is neither stuffing (0) nor fill (0xff).
  std::uint8_t next_marker() {
    while (true) {
      at_ = static_cast<std::size_t>(
          std::find(file_.begin() + static_cast<std::ptrdiff_t>(at_), file_.end(), 0xff) -
          file_.begin());
      const std::uint8_t marker = part_of(file_, at_, 2)[1];
      at_ += marker == 0xff ? 1 : 2;
      if (marker != 0xff && marker != 0) return marker;
    }
  }

  void take_segment(std::uint8_t marker, Bytes segment) {
    if (marker == kDht)
      check<IoError>(huffman_tables_fit(segment), "a Huffman table of the JPEG file is damaged");
    if (marker == kDri) restart_interval_ = big_16(segment, 0);
    if (marker == kApp1 && begins_with(segment, std::string_view("Exif\0\0", 6)))
      orientation_ = find_orientation(segment);
    if (marker == kApp14 && begins_with(segment, std::string_view("Adobe\0", 6)) &&
        segment.size() >= 12) {
      adobe_transform_ = segment[11];
    }
    if (marker >= kSof0 && marker <= kSofLast && marker != kDht && marker != 0xc8 && marker != 0xcc)
      take_frame(segment);
    if (marker == kSos) take_scan(segment);
  }

  void take_frame(Bytes segment) {
    height_ = big_16(segment, 1);
    width_ = big_16(segment, 3);
    check_image_size(width_, height_);
    const std::uint8_t count = part_of(segment, 5, 1)[0];
    components_.clear();
    for (std::size_t i = 0; i < count; ++i) {
      const Bytes c = part_of(segment, 6 + 3 * i, 3);
      components_.push_back({c[0], std::uint32_t{c[1]} >> 4, std::uint32_t{c[1]} & 15});
      check<IoError>(c[1] >> 4 > 0 && (c[1] & 15) > 0,
                     "a component of the JPEG file is damaged: it has no blocks");
      across_ = std::max(across_, components_.back().across);
      down_ = std::max(down_, components_.back().down);
    }
    // Without Adobe's marker stb_image takes CMYK for YCbCr with alpha.
    check<IoError>(count != 4 || adobe_transform_ == 0 || adobe_transform_ == 2,
                   "it has four inks and no marker of Adobe's");
    const bool is_halved = std::ranges::any_of(components_, [&](const Component& c) {
      return 2 * c.across == across_ && c.down == down_;
    });
    check<IoError>(
        !is_halved,
        "its colours have half the width but not half the height (4:2:2), and stb_image gets their "
        "right edge wrong");
  }

  // Counts the units of the scan; a restart marker follows every restart_interval_ of them.
  void take_scan(Bytes segment) {
    check<IoError>(!components_.empty(), "the JPEG file has a scan before its frame");
    const auto rounded_up = [](std::uint32_t a, std::uint32_t b) { return (a + b - 1) / b; };
    if (part_of(segment, 0, 2)[0] > 1) {
      units_ = std::uint64_t{rounded_up(width_, 8 * across_)} * rounded_up(height_, 8 * down_);
      return;
    }
    const auto c = std::ranges::find(components_, segment[1], &Component::id);
    check<IoError>(c != components_.end(), "the JPEG file has a scan of a component ",
                   int{segment[1]}, " that it does not declare");
    units_ = std::uint64_t{rounded_up(rounded_up(width_ * c->across, across_), 8)} *
             rounded_up(rounded_up(height_ * c->down, down_), 8);
  }

  // Moves past a scan's data and checks its restart markers: where one is missing, stb_image stops
  // without an error.
  void skip_scan() {
    const std::uint64_t expected = restart_interval_ == 0 ? 0 : (units_ - 1) / restart_interval_;
    std::uint64_t restarts = 0;
    std::uint8_t marker = next_marker();
    for (; marker >= kRst0 && marker < kSoi; marker = next_marker()) {
      check<IoError>(marker == kRst0 + restarts % 8, "restart marker ", restarts,
                     " of a scan is missing");
      ++restarts;
    }
    check<IoError>(restarts == expected, "a scan of the JPEG file has ", restarts,
                   " restart markers instead of ", expected);
    at_ -= 2;
    while (file_[at_ - 1] == 0xff) --at_;
    copy_to(at_);
    constexpr std::uint8_t kStray[64] = {0x5a, 0xa5, 0x3c, 0xc3};
    variant_.insert(variant_.end(), std::begin(kStray), std::end(kStray));
  }

  void copy_to(std::size_t end) {
    variant_.insert(variant_.end(), file_.begin() + static_cast<std::ptrdiff_t>(copied_),
                    file_.begin() + static_cast<std::ptrdiff_t>(end));
    copied_ = end;
  }

  Bytes file_;
  std::size_t at_ = 2;  // after the first marker
  std::size_t copied_ = 0;
  std::vector<std::uint8_t> variant_;
  std::vector<Component> components_;
  std::uint32_t width_ = 0, height_ = 0;
  std::uint32_t across_ = 1, down_ = 1;  // the maximum over components
  std::uint32_t restart_interval_ = 0;
  std::uint64_t units_ = 0;
  int adobe_transform_ = -1;
  int orientation_ = 1;
};

}  // namespace

DecodedImage decode_jpeg(Bytes file) {
  try {
    Walker walker(file);
    const std::vector<std::uint8_t> variant = walker.walk();
    return {decode_with_stb(file, variant), walker.orientation()};
  } catch (const IoError& error) {
    throw IoError(
        concat(error.what(), "; a build of mec with libjpeg-turbo reads more kinds of JPEG files"));
  }
}

}  // namespace mec
