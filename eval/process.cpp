#include "mec/eval/process.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include "mec/tensor/error.h"

namespace mec {

namespace {

class SpawnActions {
 public:
  SpawnActions() { posix_spawn_file_actions_init(&actions_); }
  ~SpawnActions() { posix_spawn_file_actions_destroy(&actions_); }
  SpawnActions(const SpawnActions&) = delete;
  SpawnActions& operator=(const SpawnActions&) = delete;
  posix_spawn_file_actions_t* get() { return &actions_; }

 private:
  posix_spawn_file_actions_t actions_{};
};

// The destructor closes both ends; other child processes do not inherit them.
struct Pipe {
  std::array<int, 2> ends{-1, -1};

  Pipe() {  // without check(), whose arguments could read errno before the call sets it
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) throw IoError(concat("a pipe cannot be made: ", std::strerror(errno)));
  }
  ~Pipe() {
    ::close(ends[0]);
    close_writer();
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;

  void close_writer() {
    if (ends[1] >= 0) ::close(ends[1]);
    ends[1] = -1;
  }
  std::string read_all() const {
    std::string text;
    std::array<char, 4096> buffer{};
    while (true) {
      const ssize_t n = ::read(ends[0], buffer.data(), buffer.size());
      if (n > 0) text.append(buffer.data(), static_cast<std::size_t>(n));
      else if (n == 0 || errno != EINTR) return text;
    }
  }
};

}  // namespace

std::optional<std::filesystem::path> find_program(const std::string& name) {
  const char* const paths = std::getenv("PATH");
  for (std::string_view rest = paths ? paths : ""; !rest.empty();) {
    const std::size_t colon = std::min(rest.find(':'), rest.size());
    const std::filesystem::path candidate = std::filesystem::path(rest.substr(0, colon)) / name;
    rest.remove_prefix(std::min(colon + 1, rest.size()));
    std::error_code ignored;
    if (std::filesystem::is_regular_file(candidate, ignored) && ::access(candidate.c_str(), X_OK) == 0) {
      return std::filesystem::absolute(candidate);  // it is run from another folder
    }
  }
  return std::nullopt;
}

ProcessResult run_process(const std::filesystem::path& program, const std::vector<std::string>& arguments,
                          const std::filesystem::path& folder) {
  std::string first = program.string();
  std::vector<std::string> copies = arguments;  // posix_spawn takes them as char*
  std::vector<char*> pointers{first.data()};
  for (std::string& copy : copies) pointers.push_back(copy.data());
  pointers.push_back(nullptr);

  Pipe output;
  SpawnActions actions;
  posix_spawn_file_actions_addchdir_np(actions.get(), folder.c_str());
  posix_spawn_file_actions_addopen(actions.get(), STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(actions.get(), output.ends[1], STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(actions.get(), output.ends[1], STDERR_FILENO);
  pid_t child = 0;
  const int error = ::posix_spawn(&child, first.c_str(), actions.get(), nullptr, pointers.data(), environ);
  check<IoError>(error == 0, first, ": cannot be started in ", folder.string(), ": ", std::strerror(error));
  output.close_writer();
  ProcessResult result{.status = 0, .output = output.read_all()};
  int status = 0;
  while (::waitpid(child, &status, 0) < 0) {
    check<IoError>(errno == EINTR, first, ": waiting for it failed: ", std::strerror(errno));
  }
  result.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return result;
}

}  // namespace mec
