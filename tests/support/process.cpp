#include "support/process.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <thread>

#include "support/paths.h"

namespace mec::test {

namespace {

void redirect(const std::string& path, int stream) {
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0666);
  ::dup2(file, stream);
}

}  // namespace

Process::Process(const std::vector<std::string>& arguments, const std::vector<std::string>& variables,
                 const std::filesystem::path& out, const std::filesystem::path& err)
    : Process(program_path().string(), arguments, variables, out, err) {}

Process::Process(const std::string& program, const std::vector<std::string>& arguments,
                 const std::vector<std::string>& variables, const std::filesystem::path& out,
                 const std::filesystem::path& err) {
  std::vector<std::string> words{program}, set = variables;
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  child_ = ::fork();
  REQUIRE(child_ >= 0);
  if (child_ > 0) return;
  redirect(out.string(), STDOUT_FILENO);
  redirect(err.string(), STDERR_FILENO);
  for (std::string& variable : set) ::putenv(variable.data());
  ::execv(argv[0], argv.data());
  ::_exit(127);
}

Process::~Process() {
  if (has_ended()) return;
  ::kill(child_, SIGKILL);
  ::waitpid(child_, nullptr, 0);
}

void Process::send(int signal) const {
  if (status_ < 0) ::kill(child_, signal);
}

bool Process::has_ended() {
  int status = 0;
  if (status_ < 0 && ::waitpid(child_, &status, WNOHANG) == child_) {
    status_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }
  return status_ >= 0;
}

bool Process::wait_until(const std::function<bool()>& enough) {
  const auto until = std::chrono::steady_clock::now() + std::chrono::minutes(2);
  while (!has_ended()) {
    if (enough()) return has_ended();
    if (std::chrono::steady_clock::now() > until) FAIL("the program still runs after two minutes");
    std::this_thread::sleep_for(std::chrono::microseconds(50));  // the program wants the processor
  }
  return true;
}

int Process::wait() {
  wait_until([] { return false; });
  return status_;
}

}  // namespace mec::test
