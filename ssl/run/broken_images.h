// The images that a run skips: their messages in broken.txt, and the limit on their number.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <set>
#include <string>

namespace mec {

class BrokenImages {
 public:
  // The file is read when the first image is added: a run that is resumed goes on with its lines.
  // `note` is told of the first image; the file has the others.
  BrokenImages(std::filesystem::path file, std::int64_t limit, std::function<void(const std::string& line)> note);

  // A message that is new becomes a line of the file, on the disk when this returns. Lines are
  // sorted, so that the file does not depend on when or how often an image was met. Where the file
  // cannot be written (on a full disk), that is told once, and tried again with the next message.
  // IoError where the lines are more than the limit.
  void add(const std::string& message);
  // IoError where the file cannot be written now, either.
  void finish();

 private:
  void write();

  std::filesystem::path file_;
  std::int64_t limit_;
  std::function<void(const std::string&)> note_;
  std::optional<std::set<std::string>> lines_;
  bool unwritten_ = false, told_ = false;
};

}  // namespace mec
