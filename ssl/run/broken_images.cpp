#include "mec/ssl/run/broken_images.h"

#include <fstream>
#include <utility>

#include "mec/tensor/error.h"
#include "mec/tensor/io/atomic_file.h"
#include "mec/tensor/text.h"

namespace mec {

namespace {

std::set<std::string> lines_of(const std::filesystem::path& path) {
  std::set<std::string> lines;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) lines.insert(line);
  return lines;
}

}  // namespace

BrokenImages::BrokenImages(std::filesystem::path file, std::int64_t limit, std::function<void(const std::string& line)> note)
    : file_(std::move(file)), limit_(limit), note_(std::move(note)) {}

void BrokenImages::add(const std::string& message) {
  if (!lines_) lines_ = lines_of(file_);
  const bool is_first = lines_->empty();
  unwritten_ = lines_->insert(printable(message)).second || unwritten_;
  try {
    finish();
  } catch (const IoError& error) {
    if (note_ && !told_) note_(error.what());
    told_ = true;
  }
  if (is_first && note_) note_(concat("skipped a broken image: ", message, "; ", file_.string(), " lists all"));
  check<IoError>(std::ssize(*lines_) <= limit_, counted(lines_->size(), "image"), " of the data set are broken, and ", limit_,
                 " may be left out (data.broken_limit); ", file_.string(), " lists them");
}

void BrokenImages::finish() {
  if (unwritten_) write();
}

void BrokenImages::write() {
  AtomicFile file(file_);
  for (const std::string& line : *lines_) file.write(line + '\n');
  file.commit();
  unwritten_ = false;
}

}  // namespace mec
