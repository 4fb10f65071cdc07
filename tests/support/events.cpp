#include "support/events.h"

#include <doctest/doctest.h>

#include <cstring>
#include <string_view>

namespace mec::test {

namespace {

// Bit by bit, from the polynomial.
std::uint32_t slow_crc32c(std::string_view bytes) {
  std::uint32_t crc = 0xffffffff;
  for (const char c : bytes) {
    crc ^= static_cast<unsigned char>(c);
    for (int bit = 0; bit < 8; ++bit) crc = crc & 1 ? crc >> 1 ^ 0x82f63b78 : crc >> 1;
  }
  return ~crc;
}

class Bytes {
 public:
  explicit Bytes(std::string_view rest) : rest_(rest) {}

  bool empty() const { return rest_.empty(); }
  std::string_view take(std::size_t count) {
    REQUIRE(count <= rest_.size());
    const std::string_view taken = rest_.substr(0, count);
    rest_.remove_prefix(count);
    return taken;
  }
  template <class T> T number() {
    T value;
    std::memcpy(&value, take(sizeof value).data(), sizeof value);
    return value;
  }
  std::uint64_t varint() {
    std::uint64_t value = 0;
    for (int shift = 0;; shift += 7) {
      REQUIRE(shift < 64);
      const auto byte = static_cast<unsigned char>(take(1)[0]);
      value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
  }
  std::string_view text() { return take(varint()); }
  // The bytes, which a masked checksum follows.
  std::string_view checked(std::size_t count) {
    const std::string_view bytes = take(count);
    const std::uint32_t crc = slow_crc32c(bytes);
    CHECK(number<std::uint32_t>() == static_cast<std::uint32_t>(((crc >> 15) | (crc << 17)) + 0xa282ead8));
    return bytes;
  }

 private:
  std::string_view rest_;
};

void read_summary(Bytes summary, ReadEvent& event) {
  while (!summary.empty()) {
    REQUIRE(summary.varint() == (1 << 3 | 2));
    Bytes value(summary.text());
    REQUIRE(value.varint() == (1 << 3 | 2));
    const std::string tag(value.text());
    REQUIRE(value.varint() == (2 << 3 | 5));
    CHECK_MESSAGE(event.values.emplace(tag, value.number<float>()).second, tag, " comes twice");
    CHECK(value.empty());
  }
}

ReadEvent read_event(Bytes bytes) {
  ReadEvent event;
  while (!bytes.empty()) {
    switch (const std::uint64_t key = bytes.varint()) {
      case 1 << 3 | 1: event.wall_time = bytes.number<double>(); break;
      case 2 << 3 | 0: event.step = static_cast<std::int64_t>(bytes.varint()); break;
      case 3 << 3 | 2: event.file_version = std::string(bytes.text()); break;
      case 5 << 3 | 2: read_summary(Bytes(bytes.text()), event); break;
      default: FAIL("an event has the unknown key ", key);
    }
  }
  return event;
}

}  // namespace

std::vector<ReadEvent> read_events(const std::string& file) {
  std::vector<ReadEvent> events;
  for (Bytes rest(file); !rest.empty();) {
    Bytes length(rest.checked(8));
    events.push_back(read_event(Bytes(rest.checked(length.number<std::uint64_t>()))));
  }
  REQUIRE(!events.empty());
  CHECK(events.front().file_version == "brain.Event:2");
  return events;
}

}  // namespace mec::test
