// Results that a study keeps, so that it goes on where it was stopped.
#pragma once

#include <filesystem>
#include <functional>
#include <string>

#include <nlohmann/json.hpp>

namespace mec::cli {

// A fingerprint of bytes (FNV-1a, 64 bits), in hexadecimal.
std::string fingerprint(const std::string& bytes);
// IoError when it cannot be read.
std::string fingerprint_of_file(const std::filesystem::path& path);

// The rows of one run, in a file named after the fingerprint of `key`, which holds everything that
// the rows depend on. Another key is another file: after an option is changed, rows are computed
// afresh, and the old ones are found again when it is changed back.
class StudyRows {
 public:
  using Json = nlohmann::ordered_json;

  // IoError when the file is there but damaged.
  StudyRows(const std::filesystem::path& folder, Json key);

  // The row of that name; computes it where it is missing, and writes it to the disk at once.
  Json get(const std::string& name, const std::function<Json()>& compute);
  bool has(const std::string& name) const { return content_.at("rows").contains(name); }

 private:
  std::filesystem::path path_;
  Json content_;
};

}  // namespace mec::cli
