#include "mec/ssl/run/event_file.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <fstream>
#include <limits>
#include <utility>

#include "mec/ssl/run/run_line.h"
#include "mec/tensor/error.h"
#include "mec/tensor/io/atomic_file.h"

namespace mec {

namespace {

// Numbers of fields in TensorFlow's event.proto and summary.proto, with their wire types
// (protobuf.dev/programming-guides/encoding).
enum class Wire : std::uint8_t { varint = 0, eight_bytes = 1, bytes = 2, four_bytes = 5 };
struct Field {
  std::uint32_t number;
  Wire wire;
};
constexpr Field kWallTime{1, Wire::eight_bytes}, kStep{2, Wire::varint}, kFileVersion{3, Wire::bytes}, kSummary{5, Wire::bytes};
constexpr Field kValue{1, Wire::bytes};                                   // of a Summary
constexpr Field kTag{1, Wire::bytes}, kSimpleValue{2, Wire::four_bytes};  // of a Value

template <class T> void put_bits(std::string& to, T value) {
  char bytes[sizeof value];
  std::memcpy(bytes, &value, sizeof value);  // little-endian, as every host is
  to.append(bytes, sizeof value);
}
void put_varint(std::string& to, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) to += static_cast<char>(value | 0x80);
  to += static_cast<char>(value);
}
void put_key(std::string& to, const Field& field) {
  put_varint(to, std::uint64_t{field.number} << 3 | static_cast<std::uint64_t>(field.wire));
}
void put(std::string& to, const Field& field, const std::string& bytes) {
  put_key(to, field);
  put_varint(to, bytes.size());
  to += bytes;
}
template <class T> void put_number(std::string& to, const Field& field, T value) {
  put_key(to, field);
  put_bits(to, value);
}

std::uint32_t masked_crc(const std::string& bytes) {
  const std::uint32_t crc = crc32c(bytes);
  return (crc >> 15 | crc << 17) + 0xa282ead8U;
}

// A record of TensorFlow's TFRecord format: length, its CRC, the bytes, their CRC.
std::string record(const std::string& event) {
  std::string length;
  put_bits(length, static_cast<std::uint64_t>(event.size()));
  std::string all = length;
  put_bits(all, masked_crc(length));
  all += event;
  put_bits(all, masked_crc(event));
  return all;
}

std::string first_record(double time) {
  std::string event;
  put_number(event, kWallTime, time);
  put(event, kFileVersion, "brain.Event:2");
  return record(event);
}

// A number that is finite stays so.
float to_float(double value) {
  constexpr double kMost = std::numeric_limits<float>::max();
  return static_cast<float>(std::isfinite(value) ? std::clamp(value, -kMost, kMost) : value);
}

class Summary {
 public:
  void add(const std::string& tag, double value) {
    std::string one;
    put(one, kTag, tag);
    put_number(one, kSimpleValue, to_float(value));
    put(bytes_, kValue, one);
  }
  void add_all(const std::string& group, const RunLine& line) {
    for (const auto& [name, value] : line.numbers) add(group + name, value);
  }
  const std::string& bytes() const { return bytes_; }

 private:
  std::string bytes_;
};

double now() { return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count(); }

// The lines of both files, as far as both have some.
class LinePairs {
 public:
  LinePairs(const std::filesystem::path& metrics_path, const std::filesystem::path& timings_path)
      : metrics_(metrics_path, std::ios::binary), timings_(timings_path, std::ios::binary) {
    for (const auto& [file, path] : {std::pair(&metrics_, metrics_path), std::pair(&timings_, timings_path)})
      check<IoError>(file->good(), "cannot read ", path.string());
  }
  bool next() { return std::getline(metrics_, metrics) && std::getline(timings_, timings); }

  std::string metrics, timings;

 private:
  std::ifstream metrics_, timings_;
};

double seconds_of(const std::string& timings) {
  const auto line = parse_run_line(timings);
  return line ? line->number("seconds").value_or(0) : 0;
}

}  // namespace

std::uint32_t crc32c(const std::string& bytes) {
  static const auto table = [] {
    std::array<std::uint32_t, 256> all{};
    for (std::uint32_t i = 0; i < 256; ++i) {
      std::uint32_t crc = i;
      for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78U : 0);
      all[i] = crc;
    }
    return all;
  }();
  std::uint32_t crc = ~0U;
  for (const char c : bytes) crc = crc >> 8 ^ table[(crc ^ static_cast<unsigned char>(c)) & 0xff];
  return ~crc;
}

EventFile::EventFile(std::filesystem::path path, std::int64_t batch) : path_(std::move(path)), batch_(batch) {}

std::string EventFile::record_of(const std::string& metrics, const std::string& timings, double time) const {
  // A damaged line has no event, and keeps no run from going on.
  const auto values = parse_run_line(metrics), times = parse_run_line(timings);
  if (!values || !times) return "";
  Summary summary;
  const double seconds = times->number("seconds").value_or(0);
  if (times->number("data_seconds")) {
    summary.add_all("train/", *values);
    summary.add_all("time/", *times);
    if (seconds > 0) summary.add("time/images_per_second", static_cast<double>(batch_) / seconds);
  } else {
    summary.add_all("eval/", *values);
    summary.add("time/eval_seconds", seconds);
  }
  std::string event;
  put_number(event, kWallTime, time);
  put_key(event, kStep);
  put_varint(event, static_cast<std::uint64_t>(values->step));
  put(event, kSummary, summary.bytes());
  return record(event);
}

void EventFile::rewrite(const std::filesystem::path& metrics, const std::filesystem::path& timings) {
  double time = now();
  for (LinePairs lines(metrics, timings); lines.next();) time -= seconds_of(lines.timings);
  AtomicFile file(path_);
  std::uintmax_t size = 0;
  const auto write = [&](const std::string& bytes) {
    file.write(bytes);
    size += bytes.size();
  };
  write(first_record(time));
  for (LinePairs lines(metrics, timings); lines.next();) {
    time += seconds_of(lines.timings);
    write(record_of(lines.metrics, lines.timings, time));
  }
  file.commit();
  file_ = std::make_unique<LineFile>(path_, size, Kept::until_written);
}

std::string EventFile::add(const std::string& metrics, const std::string& timings) {
  return file_->append(record_of(metrics, timings, now()));
}

}  // namespace mec
