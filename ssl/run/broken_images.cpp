#include "mec/ssl/run/broken_images.h"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <sstream>
#include <system_error>
#include <utility>

#include "mec/distributed/agreement.h"
#include "mec/tensor/error.h"
#include "mec/tensor/io/atomic_file.h"
#include "mec/tensor/text.h"

namespace mec {

namespace {

std::string line_of(const std::pair<std::string, std::int64_t>& key, const std::string& message) {
  return concat(key.first, key.first.empty() ? "" : " ", key.second, '\t', message, '\n');
}

// Other lines than those of images are left out.
std::map<std::pair<std::string, std::int64_t>, std::string> messages_in(std::istream& file) {
  std::map<std::pair<std::string, std::int64_t>, std::string> messages;
  for (std::string line; std::getline(file, line);) {
    const std::size_t tab = line.find('\t');
    if (tab == std::string::npos) continue;
    const std::size_t space = line.rfind(' ', tab);
    const std::size_t begin = space == std::string::npos ? 0 : space + 1;
    std::int64_t number = 0;
    const auto [end, error] = std::from_chars(line.data() + begin, line.data() + tab, number);
    if (error != std::errc() || end != line.data() + tab) continue;
    messages[{begin == 0 ? "" : line.substr(0, space), number}] = line.substr(tab + 1);
  }
  return messages;
}

}  // namespace

BrokenImages::BrokenImages(std::filesystem::path file, std::int64_t limit, std::function<void(const std::string& line)> note,
                           CommunicatorPtr ranks)
    : file_(std::move(file)), limit_(limit), note_(std::move(note)), ranks_(std::move(ranks)) {}

void BrokenImages::add(const BrokenImage& image) { add({"", image.number}, printable(image.message)); }

void BrokenImages::add(const std::string& of, const BrokenImage& image) { add({of, image.number}, printable(image.message)); }

void BrokenImages::add(const Key& key, const std::string& message) {
  if (ranks_->rank() > 0) met_ += line_of(key, message);
  if (!open_) return;
  if (!messages_) {
    std::ifstream file(file_);
    messages_ = messages_in(file);
  }
  const bool is_first = messages_->empty();
  const auto same = [&](const auto& entry) { return entry.second == message && entry.first != key; };
  const auto twin = std::ranges::find_if(*messages_, same);
  if (twin != messages_->end() && !key.first.empty()) return;
  if (twin != messages_->end()) messages_->erase(twin);
  std::string& known = (*messages_)[key];
  unwritten_ = unwritten_ || known != message;
  known = message;
  try {
    finish();
    told_ = false;
  } catch (const IoError& error) {
    if (note_ && !told_) note_(error.what());
    told_ = true;
  }
  if (is_first && note_) note_(concat("skipped a broken image: ", message, "; ", file_.string(), " lists all"));
  check<IoError>(std::ssize(*messages_) <= limit_, counted(messages_->size(), "image"), " of the data set are broken, and ",
                 limit_, " may be left out (data.broken_limit); ", file_.string(), " lists them");
}

void BrokenImages::share() {
  if (ranks_->size() == 1 || ranks_->maximum(met_.empty() ? 0 : 1) == 0) return;
  for (const std::string& met : gather_texts(met_, *ranks_)) {
    std::istringstream lines(met);
    if (ranks_->rank() > 0) continue;
    for (const auto& [key, message] : messages_in(lines)) add(key, message);
  }
  met_.clear();
}

void BrokenImages::finish() {
  if (unwritten_) write();
}

void BrokenImages::write() {
  AtomicFile file(file_);
  for (const auto& [key, message] : *messages_) {
    file.write(line_of(key, message));
  }
  file.commit();
  unwritten_ = false;
}

}  // namespace mec
