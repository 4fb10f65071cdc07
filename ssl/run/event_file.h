// The lines of metrics.jsonl and timings.jsonl once more, as TensorBoard reads them.
//
// Written by hand. Debian has neither a library for this format nor TensorFlow's descriptions of
// its messages, and of these two are needed, with seven fields in all.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

#include "mec/ssl/run/line_file.h"

namespace mec {

// TensorBoard looks for "tfevents" in names, and calls the run as its folder.
inline constexpr const char* kEventsFile = "events.out.tfevents.mec";

// The Castagnoli CRC (RFC 3720, section B.4), by which records are checked.
std::uint32_t crc32c(const std::string& bytes);

// An event for each pair of lines. Of a step: "train/loss", …, "time/seconds", "time/data_seconds"
// and "time/images_per_second"; of scores "eval/knn", …, and the seconds that they took,
// "time/eval_seconds". What is not finite is NaN.
class EventFile {
 public:
  EventFile(std::filesystem::path path, std::int64_t batch);

  // Begins the file anew, with the events of all lines so far. So a run that goes on has each step
  // once, whatever a former start has written, and whether it wrote events or not. They then come
  // at the pace of training, the last one now: pauses leave no gap. IoError when it cannot be
  // written, or there are no lines to read.
  void rewrite(const std::filesystem::path& metrics, const std::filesystem::path& timings);

  // Adds the event of these lines. Returns why it could not be written, or ""; it is then written
  // with a later one. Call it after rewrite().
  std::string add(const std::string& metrics, const std::string& timings);
  bool begun() const { return file_ != nullptr; }
  std::size_t in_memory() const { return file_ ? file_->in_memory() : 0; }  // bytes

 private:
  std::string record_of(const std::string& metrics, const std::string& timings, double time) const;

  std::filesystem::path path_;
  std::int64_t batch_;
  std::unique_ptr<LineFile> file_;
};

}  // namespace mec
