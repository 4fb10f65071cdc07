// TensorBoard's event files, read back from their bytes, with every checksum compared.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace mec::test {

struct ReadEvent {
  double wall_time = 0;
  std::int64_t step = 0;
  std::string file_version = {};  // of the first one
  std::map<std::string, float> values = {};
};

// Fails the test where a record is cut short or has another checksum, a message a field that is not
// known, or a tag comes twice.
std::vector<ReadEvent> read_events(const std::string& file);

}  // namespace mec::test
