// The image files below a folder, and what else lies there.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace mec::formats {

// What a data set leaves out, counted by kind, for a message of one line.
class PassedOver {
 public:
  void add(const std::string& kind, const std::string& reason);
  void add_image(const std::string& kind, const std::string& reason);  // known as one by its name
  void add_folder(const std::filesystem::path& folder);                // one without images to read
  bool empty() const { return counts_.empty(); }
  bool has_images() const { return has_images_; }
  // "3 .webp (reason), 1 .txt (not an image)"; the most frequent kinds, and how many others.
  std::string text() const;

 private:
  std::map<std::pair<std::string, std::string>, std::int64_t> counts_;  // of (kind, reason)
  bool has_images_ = false;
};

struct FolderContent {
  std::vector<std::filesystem::path> images;   // that this build reads, by their extensions
  std::vector<std::filesystem::path> folders;  // neither hidden nor left there by a system
};

// What lies in the folder itself, sorted by the bytes of the names: the order is the same on every
// machine. Links are followed. IoError for a folder that may not be read and a link that leads
// nowhere.
FolderContent read_folder(const std::filesystem::path& folder, PassedOver& passed_over);

// The images at any depth, sorted by the bytes of their paths. IoError also for a link to a folder
// that it lies in, directly or by way of other links.
std::vector<std::filesystem::path> find_images(const std::filesystem::path& folder,
                                               PassedOver& passed_over);

}  // namespace mec::formats
