#include "support/shell.h"

#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>

#include "support/paths.h"

namespace mec::test {

namespace {

constexpr const char* kRun = "run() { timeout 120 \"$MEC\" \"$@\"; }\n";

// A user of no other process: limits count all that a user runs, another run of these tests too.
const std::string kUser = std::to_string(30000 + ::getpid() % 30000);
const std::string kBound = concat("setpriv --reuid=", kUser, " --regid=", kUser, " --clear-groups ");

ProgramResult run_with(const std::string& before, const TempFolder& folder, const std::string& script) {
  const TempFolder outside;  // the folder holds what the program wrote, and nothing else
  write_bytes(outside / "script", kRun + script);
  std::filesystem::permissions(outside.path(), std::filesystem::perms::all);
  const std::string command =
      concat("cd '", folder.path().string(), "' && MEC='", program_path().string(), "' ", before, "sh '",
             (outside / "script").string(), "' >'", (outside / "out").string(), "' 2>'", (outside / "err").string(), "'");
  const int status = std::system(command.c_str());
  return {.status = WIFEXITED(status) ? WEXITSTATUS(status) : -1,
          .out = read_bytes(outside / "out"),
          .err = read_bytes(outside / "err")};
}

}  // namespace

ProgramResult run_shell(const TempFolder& folder, const std::string& script) { return run_with("", folder, script); }

bool can_run_bound() {
  if (::geteuid() != 0) return true;
  return std::system(concat(kBound, "test -x '", program_path().string(), "' 2>/dev/null").c_str()) == 0;
}

ProgramResult run_bound(const TempFolder& folder, const std::string& script) {
  if (::geteuid() != 0) return run_shell(folder, script);
  // All that is there becomes that user's.
  REQUIRE(std::system(concat("chown -R ", kUser, ":", kUser, " '", folder.path().string(), "'").c_str()) == 0);
  return run_with(kBound, folder, script);
}

}  // namespace mec::test
