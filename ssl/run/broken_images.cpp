#include "mec/ssl/run/broken_images.h"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <system_error>
#include <utility>

#include "mec/tensor/error.h"
#include "mec/tensor/io/atomic_file.h"
#include "mec/tensor/text.h"

namespace mec {

namespace {

constexpr std::int64_t kOther = -1;

// Other lines than those of images are left out.
std::map<std::pair<std::int64_t, std::string>, std::string> messages_in(const std::filesystem::path& path) {
  std::map<std::pair<std::int64_t, std::string>, std::string> messages;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    std::int64_t number = 0;
    const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), number);
    if (error == std::errc() && *end == '\t') messages[{number, ""}] = end + 1;
    else if (line.starts_with("-\t")) messages[{kOther, line.substr(2)}] = line.substr(2);
  }
  return messages;
}

}  // namespace

BrokenImages::BrokenImages(std::filesystem::path file, std::int64_t limit, std::function<void(const std::string& line)> note)
    : file_(std::move(file)), limit_(limit), note_(std::move(note)) {}

void BrokenImages::add(const BrokenImage& image) { add({image.number, ""}, printable(image.message)); }

void BrokenImages::add_other(const std::string& message) { add({kOther, printable(message)}, printable(message)); }

void BrokenImages::add(const Key& key, const std::string& message) {
  if (!messages_) messages_ = messages_in(file_);
  const bool is_first = messages_->empty();
  // An image that is trained on may be scored by, too: one line, with its number.
  if (key.first == kOther && std::ranges::any_of(*messages_, [&](const auto& known) { return known.second == message; }))
    return;
  unwritten_ = messages_->erase({kOther, message}) > 0 || unwritten_;
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

void BrokenImages::finish() {
  if (unwritten_) write();
}

void BrokenImages::write() {
  AtomicFile file(file_);
  for (const auto& [key, message] : *messages_) {
    const std::string number = key.first == kOther ? "-" : std::to_string(key.first);
    file.write(concat(number, '\t', message, '\n'));
  }
  file.commit();
  unwritten_ = false;
}

}  // namespace mec
