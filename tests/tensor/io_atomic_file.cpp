#include "mec/tensor/io/atomic_file.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "support/pipe.h"
#include "tensor/io_files.h"

using namespace mec;
using namespace mec::test;

namespace {

std::size_t files_in(const TempFolder& folder) {
  std::size_t count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(folder.path())) ++count;
  return count;
}

void write_atomically(const std::filesystem::path& path, const std::string& content) {
  AtomicFile file(path);
  file.write(content);
  file.commit();
}

mode_t mode_of(const std::filesystem::path& path) {
  struct stat found {};
  REQUIRE(::stat(path.c_str(), &found) == 0);
  return found.st_mode & 07777;
}

}  // namespace

TEST_CASE("an atomic file appears with commit() and replaces what was there") {
  const TempFolder folder;
  write_bytes(folder / "a", "old");
  AtomicFile file(folder / "a");
  file.write("new ");
  file.write("content");
  CHECK(read_bytes(folder / "a") == "old");
  file.commit();
  CHECK(read_bytes(folder / "a") == "new content");
  CHECK(files_in(folder) == 1);
  CHECK_THROWS_AS(file.write("more"), IoError);
}

TEST_CASE("an atomic file that is given up leaves the old content and no rubbish") {
  const TempFolder folder;
  write_bytes(folder / "a", "old");
  { AtomicFile(folder / "a").write("half"); }
  CHECK(read_bytes(folder / "a") == "old");
  CHECK(files_in(folder) == 1);
}

TEST_CASE("two writers of one target do not meet; the later commit stays") {
  const TempFolder folder;
  AtomicFile first(folder / "a");
  AtomicFile second(folder / "a");
  first.write("first");
  second.write("second");
  second.commit();
  first.commit();
  CHECK(read_bytes(folder / "a") == "first");
  CHECK(files_in(folder) == 1);
}

TEST_CASE("what a killed writer left beside its target goes, and nothing else") {
  const TempFolder folder;
  for (const char* name : {"a", "a.12-0.tmp", "a.tmp.old", "b.12-0.tmp"}) write_bytes(folder / name, "x");
  remove_leftovers(folder / "a");
  CHECK_FALSE(std::filesystem::exists(folder / "a.12-0.tmp"));
  CHECK(files_in(folder) == 3);
}

TEST_CASE("a file in a missing folder is an IoError with its name and reason") {
  const TempFolder folder;
  CHECK_THROWS_WITH_AS(AtomicFile(folder / "no/such/a"), doctest::Contains("no/such/a: No such file"), IoError);
  write_bytes(folder / "file", "x");
  CHECK_THROWS_WITH_AS(AtomicFile(folder / "file/a"), doctest::Contains("Not a directory"), IoError);
}

TEST_CASE("a target that is a folder is refused before anything is written") {
  const TempFolder folder;
  std::filesystem::create_directory(folder / "a");
  CHECK_THROWS_WITH_AS(AtomicFile(folder / "a"), doctest::Contains("a: Is a directory"), IoError);
  CHECK(files_in(folder) == 1);
}

TEST_CASE("a target that cannot be replaced is an IoError, and the temporary file goes") {
  const TempFolder folder;
  {
    AtomicFile file(folder / "a");
    file.write("content");
    std::filesystem::create_directory(folder / "a");
    CHECK_THROWS_WITH_AS(file.commit(), doctest::Contains("cannot replace"), IoError);
  }
  CHECK(files_in(folder) == 1);
}

TEST_CASE("a symbolic link stays, and what it leads to is replaced") {
  const TempFolder folder;
  write_bytes(folder / "there/file", "old");
  std::filesystem::create_symlink("there/file", folder / "a");
  std::filesystem::create_symlink("a", folder / "b");  // a link to a link
  std::filesystem::create_symlink(folder / "there/new", folder / "dangling");
  write_atomically(folder / "b", "new");
  write_atomically(folder / "dangling", "first");
  CHECK(std::filesystem::read_symlink(folder / "b") == "a");
  CHECK(std::filesystem::read_symlink(folder / "a") == "there/file");
  CHECK(read_bytes(folder / "there/file") == "new");
  CHECK(std::filesystem::is_symlink(folder / "dangling"));
  CHECK(read_bytes(folder / "there/new") == "first");
  CHECK(files_in(folder) == 4);

  write_bytes(folder / "there/file.12-0.tmp", "x");
  remove_leftovers(folder / "b");
  CHECK_FALSE(std::filesystem::exists(folder / "there/file.12-0.tmp"));

  std::filesystem::create_symlink("round", folder / "round");
  CHECK_THROWS_WITH_AS(AtomicFile(folder / "round"), doctest::Contains("round: Too many levels"), IoError);
}

TEST_CASE("the mode of the old file is kept, and its owner") {
  const TempFolder folder;
  for (const mode_t mode : {0600, 0640, 0755, 0666}) {
    write_bytes(folder / "a", "old");
    REQUIRE(::chmod((folder / "a").c_str(), mode) == 0);
    write_atomically(folder / "a", "new");
    CHECK(mode_of(folder / "a") == mode);
  }
  if (::geteuid() != 0) return;
  REQUIRE(::chown((folder / "a").c_str(), 1234, 5678) == 0);
  write_atomically(folder / "a", "newer");
  struct stat found {};
  REQUIRE(::stat((folder / "a").c_str(), &found) == 0);
  CHECK(found.st_uid == 1234);
  CHECK(found.st_gid == 5678);
}

TEST_CASE("a write-protected file is not replaced") {
  if (::geteuid() == 0) return;  // nothing is protected from root
  const TempFolder folder;
  write_bytes(folder / "a", "old");
  REQUIRE(::chmod((folder / "a").c_str(), 0400) == 0);
  CHECK_THROWS_WITH_AS(AtomicFile(folder / "a"), doctest::Contains("cannot replace"), IoError);
  CHECK(read_bytes(folder / "a") == "old");
}

TEST_CASE("a pipe is written through, and stays a pipe") {
  const TempFolder folder;
  const Pipe pipe(folder / "pipe");
  write_atomically(folder / "pipe", "content");
  CHECK(pipe.received() == "content");
  CHECK(std::filesystem::is_fifo(folder / "pipe"));
  CHECK(files_in(folder) == 1);
}

TEST_CASE("a device is written through, and stays a device") {
  const TempFolder folder;
  // A node of our own, of /dev/full: nothing here touches the machine's. Containers and other users
  // may not make one.
  if (::mknod((folder / "full").c_str(), S_IFCHR | 0600, makedev(1, 7)) != 0) return;
  // A file system may be mounted without devices.
  const int probe = ::open((folder / "full").c_str(), O_WRONLY);
  if (probe < 0) return;
  ::close(probe);
  AtomicFile file(folder / "full");
  file.write("content");
  CHECK_THROWS_WITH_AS(file.commit(), doctest::Contains("full: No space left on device"), IoError);
  CHECK(std::filesystem::is_character_file(folder / "full"));
  CHECK(files_in(folder) == 1);
}

TEST_CASE("a descriptor of the process is written at its place") {
  const TempFolder folder;
  const int fd = ::open((folder / "a").c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
  REQUIRE(fd >= 0);
  REQUIRE(::write(fd, "before ", 7) == 7);
  for (const char* name : {"/dev/fd/", "/proc/self/fd/"}) write_atomically(concat(name, fd), "content ");
  REQUIRE(::write(fd, "after", 5) == 5);
  ::close(fd);
  CHECK(read_bytes(folder / "a") == "before content content after");
  CHECK(files_in(folder) == 1);
}
