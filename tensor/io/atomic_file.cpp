#include "mec/tensor/io/atomic_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <optional>
#include <system_error>
#include <utility>
#include <vector>

#include "mec/tensor/error.h"

namespace mec {

namespace fs = std::filesystem;

namespace {

constexpr const char* kTemporary = ".tmp";  // ends the names of temporary files

fs::path folder_of(const fs::path& target) { return target.has_parent_path() ? target.parent_path() : fs::path("."); }

// N where the path is /proc/self/fd/N, to which /dev/stdout and /dev/fd/N lead. That entry is a
// link as well, but its target need not be a path (a pipe).
std::optional<int> own_descriptor(const fs::path& path) {
  std::error_code ignored;
  const fs::path own = fs::canonical("/proc/self/fd", ignored);
  const std::string name = path.filename().string();
  int descriptor = -1;
  const auto parsed = std::from_chars(name.data(), name.data() + name.size(), descriptor);
  if (own.empty() || parsed.ec != std::errc() || parsed.ptr != name.data() + name.size()) return std::nullopt;
  return fs::canonical(folder_of(path), ignored) == own ? std::optional(descriptor) : std::nullopt;
}

// Follows symbolic links to the last name, which need not exist yet.
fs::path follow_links(fs::path path) {
  constexpr int kMostLinks = 40;  // the kernel's own limit; beyond it, opening fails and says why
  std::error_code ignored;
  for (int links = 0; links < kMostLinks && fs::is_symlink(path, ignored) && !own_descriptor(path); ++links) {
    path = folder_of(path) / fs::read_symlink(path, ignored);
  }
  return path;
}

}  // namespace

AtomicFile::AtomicFile(fs::path target) : target_(std::move(target)), replaced_(follow_links(target_)) {
  int fd = open_target();
  if (fd < 0) fd = open_temporary();
  file_ = ::fdopen(fd, "wb");
  if (file_) return;
  ::close(fd);
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
  fail("create");
}

int AtomicFile::open_target() {
  struct stat found {};
  // Duplicated, not opened again: position and O_APPEND are kept.
  if (const auto descriptor = own_descriptor(replaced_)) {
    const int fd = ::fcntl(*descriptor, F_DUPFD_CLOEXEC, 0);
    if (fd < 0) fail("write");
    return fd;
  }
  if (::stat(target_.c_str(), &found) != 0) {
    if (errno != ENOENT) fail("create");  // links in a circle, a file where a folder is named
    return -1;
  }
  if (S_ISDIR(found.st_mode)) {
    errno = EISDIR;
    fail("replace");
  }
  if (S_ISREG(found.st_mode)) return -1;
  const int fd = ::open(target_.c_str(), O_WRONLY | O_NOCTTY | O_CLOEXEC);
  if (fd < 0) fail("write");
  return fd;
}

int AtomicFile::open_temporary() {
  struct stat old {};
  const bool exists = ::stat(replaced_.c_str(), &old) == 0;
  if (exists && ::access(replaced_.c_str(), W_OK) != 0) fail("replace");
  // Created exclusively, so that two writers of one target (also on two hosts with equal process
  // ids) never share it.
  int fd = -1;
  for (int attempt = 0; fd < 0; ++attempt) {
    temporary_ = replaced_;
    temporary_ += concat(".", ::getpid(), "-", attempt, kTemporary);
    fd = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0 && errno != EEXIST) fail("create");
  }
  if (!exists) return fd;
  // The owner first: a change of owner clears bits of the mode. Only root may give a file away, and
  // some file systems know neither owners nor modes.
  const bool owned = ::fchown(fd, old.st_uid, old.st_gid) == 0;
  [[maybe_unused]] int ignored = owned ? 0 : ::fchown(fd, static_cast<uid_t>(-1), old.st_gid);
  ignored = ::fchmod(fd, old.st_mode & (owned ? 07777 : 0777));
  return fd;
}

AtomicFile::~AtomicFile() {
  if (!file_) return;
  std::fclose(file_);
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

void AtomicFile::write(const void* data, std::size_t bytes) {
  check<IoError>(file_ != nullptr, "write ", target_.string(), ": the file is committed already");
  if (bytes > 0 && std::fwrite(data, 1, bytes, file_) != bytes) fail("write");
}

void AtomicFile::commit() {
  check<IoError>(file_ != nullptr, "commit ", target_.string(), ": the file is committed already");
  if (std::fflush(file_) != 0) fail("write");
  if (temporary_.empty()) {
    if (std::fclose(std::exchange(file_, nullptr)) != 0) fail("write");
    return;
  }
  if (::fsync(::fileno(file_)) != 0) fail("write");
  if (::rename(temporary_.c_str(), replaced_.c_str()) != 0) fail("replace");
  std::fclose(std::exchange(file_, nullptr));

  // The new name reaches the disk when its folder is synced; file systems that refuse to sync a
  // folder do not need it.
  const int fd = ::open(folder_of(replaced_).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd >= 0) {
    ::fsync(fd);
    ::close(fd);
  }
}

void AtomicFile::fail(const char* what) const {
  const int error = errno;
  const char* hint = error == EFBIG ? " (the limit on the size of files, ulimit -f, or the file system's own)" : "";
  throw IoError(concat("cannot ", what, " ", target_.string(), ": ", std::generic_category().message(error), hint));
}

void replace_file(const fs::path& path, std::string_view content) {
  AtomicFile file(path);
  file.write(content);
  file.commit();
}

void remove_leftovers(const fs::path& target) {
  const fs::path replaced = follow_links(target);
  const std::string beginning = replaced.filename().string() + ".";
  std::vector<fs::path> found;
  for (const auto& entry : fs::directory_iterator(folder_of(replaced))) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with(beginning) && name.ends_with(kTemporary)) found.push_back(entry.path());
  }
  for (const auto& path : found) fs::remove(path);
}

void sync_file(const fs::path& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  const bool done = fd >= 0 && ::fsync(fd) == 0;
  const auto reason = std::generic_category().message(errno);
  if (fd >= 0) ::close(fd);
  check<IoError>(done, "cannot sync ", path.string(), ": ", reason);
}

}  // namespace mec
