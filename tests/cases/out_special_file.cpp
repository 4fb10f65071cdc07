// --out that names something else than a new file: it is written through, as by any other program.
#include <doctest/doctest.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "support/pipe.h"
#include "support/shell.h"

using namespace mec::test;

namespace {

// One command that writes a file; all go the same way, AtomicFile's.
struct Fixture : ArrayFixture {
  std::string expected;

  Fixture() {
    write_random("x.npy", {12, 6}, 3);
    REQUIRE(write("plain.npy").status == 0);
    expected = read_bytes(folder / "plain.npy");
    REQUIRE(expected.size() > 12 * 6 * 4);
  }
  ProgramResult write(const std::string& target) const {
    return run_shell(folder, "run coding length --z x.npy --threads 1 --grad " + target);
  }
};

mode_t mode_of(const std::filesystem::path& path) {
  struct stat found {};
  REQUIRE(::stat(path.c_str(), &found) == 0);
  return found.st_mode & 07777;
}

}  // namespace

TEST_CASE_FIXTURE(Fixture, "a pipe gets the bytes that a file gets, and stays") {
  const Pipe pipe(folder / "pipe");
  CHECK(write("pipe").status == 0);
  CHECK(pipe.received() == expected);
  CHECK(std::filesystem::is_fifo(folder / "pipe"));
}

TEST_CASE_FIXTURE(Fixture, "a link stays, and what it leads to is written") {
  write_bytes(folder / "there/target.npy", "old");
  std::filesystem::create_symlink("there/target.npy", folder / "link");
  CHECK(write("link").status == 0);
  CHECK(std::filesystem::is_symlink(folder / "link"));
  CHECK(read_bytes(folder / "there/target.npy") == expected);
}

TEST_CASE_FIXTURE(Fixture, "the mode of a file that is replaced is kept") {
  write_bytes(folder / "private.npy", "old");
  REQUIRE(::chmod((folder / "private.npy").c_str(), 0600) == 0);
  CHECK(write("private.npy").status == 0);
  CHECK(mode_of(folder / "private.npy") == 0600);
  CHECK(read_bytes(folder / "private.npy") == expected);
}

// Links of our own, as /dev/stdout and /dev/stderr are: a program that replaced those would break
// the machine.
TEST_CASE_FIXTURE(Fixture, "descriptors are written at their place: /dev/stdout, /dev/fd/3") {
  std::filesystem::create_symlink("/proc/self/fd/1", folder / "stdout");
  std::filesystem::create_symlink("/proc/self/fd/2", folder / "stderr");
  CHECK(write("/dev/fd/3 3>third.npy").status == 0);
  CHECK(read_bytes(folder / "third.npy") == expected);
  CHECK(run_shell(folder, "run coding length --z x.npy --threads 1 --grad stderr 2>&1 >line | cat >piped.npy").status == 0);
  CHECK(read_bytes(folder / "piped.npy") == expected);
  // The line of results goes to standard output too, after the array; what stood in the file stays.
  const ProgramResult both = write("stdout");
  CHECK(both.out.starts_with(expected + "{\"coding_length\":"));
  CHECK(run_shell(folder, "echo before >log; run coding length --z x.npy --threads 1 --grad stdout >>log").status == 0);
  CHECK(read_bytes(folder / "log").starts_with("before\n" + expected));
}

TEST_CASE_FIXTURE(Fixture, "a device stays a device, and what it refuses is an error") {
  // A node of our own, of /dev/full. Containers and other users may not make one, and a file system
  // may be without devices.
  if (::mknod((folder / "full").c_str(), S_IFCHR | 0666, makedev(1, 7)) != 0) return;
  if (run_shell(folder, ": >full").status != 0) return;
  const ProgramResult result = write("full");
  CHECK(result.status == 1);
  CHECK(result.err == "error: cannot write full: No space left on device\n");
  CHECK(std::filesystem::is_character_file(folder / "full"));
}
