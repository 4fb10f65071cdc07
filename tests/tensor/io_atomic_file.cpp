#include "mec/tensor/io/atomic_file.h"

#include <doctest/doctest.h>

#include "tensor/io_files.h"

using namespace mec;
using namespace mec::test;

namespace {

std::size_t files_in(const TempFolder& folder) {
  std::size_t count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(folder.path())) ++count;
  return count;
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
