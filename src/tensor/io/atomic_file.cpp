#include "mec/tensor/io/atomic_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <vector>

#include "mec/tensor/error.h"

namespace mec {

namespace {

constexpr const char* kTemporary = ".tmp";  // ends the names of temporary files

std::filesystem::path folder_of(const std::filesystem::path& target) {
  return target.has_parent_path() ? target.parent_path() : std::filesystem::path(".");
}

}  // namespace

AtomicFile::AtomicFile(std::filesystem::path target) : target_(std::move(target)) {
  std::error_code ignored;
  if (std::filesystem::is_directory(target_, ignored)) {
    errno = EISDIR;
    fail("replace");
  }
  // Created exclusively, so that two writers of one target (also on two hosts with one process number) never share it.
  int fd = -1;
  for (int attempt = 0; fd < 0; ++attempt) {
    temporary_ = target_;
    temporary_ += concat(".", ::getpid(), "-", attempt, kTemporary);
    fd = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0 && errno != EEXIST) fail("create");
  }
  file_ = ::fdopen(fd, "wb");
  if (!file_) {
    ::close(fd);
    ::unlink(temporary_.c_str());
    fail("create");
  }
}

AtomicFile::~AtomicFile() {
  if (!file_) return;
  std::fclose(file_);
  ::unlink(temporary_.c_str());
}

void AtomicFile::write(const void* data, std::size_t bytes) {
  check<IoError>(file_ != nullptr, "write ", target_.string(), ": the file is committed already");
  if (bytes > 0 && std::fwrite(data, 1, bytes, file_) != bytes) fail("write");
}

void AtomicFile::commit() {
  check<IoError>(file_ != nullptr, "commit ", target_.string(), ": the file is committed already");
  if (std::fflush(file_) != 0 || ::fsync(::fileno(file_)) != 0) fail("write");
  if (::rename(temporary_.c_str(), target_.c_str()) != 0) fail("replace");
  std::fclose(file_);
  file_ = nullptr;

  // The new name itself reaches the disk with its folder; file systems that refuse this have no need of it.
  const int fd = ::open(folder_of(target_).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd >= 0) {
    ::fsync(fd);
    ::close(fd);
  }
}

void AtomicFile::fail(const char* what) const {
  const auto reason = std::generic_category().message(errno);
  throw IoError(concat("cannot ", what, " ", target_.string(), ": ", reason));
}

void remove_leftovers(const std::filesystem::path& target) {
  const std::string beginning = target.filename().string() + ".";
  std::vector<std::filesystem::path> found;
  for (const auto& entry : std::filesystem::directory_iterator(folder_of(target))) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with(beginning) && name.ends_with(kTemporary)) found.push_back(entry.path());
  }
  for (const auto& path : found) std::filesystem::remove(path);
}

void sync_file(const std::filesystem::path& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  const bool done = fd >= 0 && ::fsync(fd) == 0;
  const auto reason = std::generic_category().message(errno);
  if (fd >= 0) ::close(fd);
  check<IoError>(done, "cannot bring ", path.string(), " to the disk: ", reason);
}

}  // namespace mec
