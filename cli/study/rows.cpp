#include "mec/cli/study/rows.h"

#include <cstdio>

#include "mec/tensor/error.h"
#include "mec/tensor/fnv1a.h"
#include "mec/tensor/io/atomic_file.h"
#include "mec/tensor/io/input_file.h"

namespace mec::cli {

std::string fingerprint(const std::string& bytes) {
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(fnv1a(bytes)));
  return text;
}

std::string fingerprint_of_file(const std::filesystem::path& path) {
  const auto bytes = read_file(path);
  return fingerprint(std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
}

StudyRows::StudyRows(const std::filesystem::path& folder, Json key)
    : path_(folder / (fingerprint(key.dump()) + ".json")), content_{{"key", std::move(key)}, {"rows", Json::object()}} {
  if (!std::filesystem::exists(path_)) return;
  const auto bytes = read_file(path_);
  const Json found = Json::parse(reinterpret_cast<const char*>(bytes.data()),
                                 reinterpret_cast<const char*>(bytes.data()) + bytes.size(), nullptr, false);
  const bool whole = found.is_object() && found.contains("rows") && found.at("rows").is_object();
  check<IoError>(whole && found.value("key", Json()) == content_.at("key"), path_.string(),
                 ": these kept results are damaged; remove the file to compute them again");
  content_ = found;
}

StudyRows::Json StudyRows::get(const std::string& name, const std::function<Json()>& compute) {
  if (!has(name)) {
    content_["rows"][name] = compute();
    replace_file(path_, content_.dump(1) + "\n");
  }
  return content_.at("rows").at(name);
}

}  // namespace mec::cli
