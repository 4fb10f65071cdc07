// The real program beside the test: waited for, sent signals, killed.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace mec::test {

class Process {
 public:
  // Starts mec, or another program, with further variables ("NAME=value"). Its output goes to the
  // files, or nowhere.
  explicit Process(const std::vector<std::string>& arguments, const std::vector<std::string>& variables = {},
                   const std::filesystem::path& out = "/dev/null", const std::filesystem::path& err = "/dev/null");
  Process(const std::string& program, const std::vector<std::string>& arguments, const std::vector<std::string>& variables,
          const std::filesystem::path& out, const std::filesystem::path& err);
  ~Process();  // kills it where it still runs
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  void send(int signal) const;
  // Waits until `enough` or the end of the process, at most two minutes: then the test fails.
  // Whether it has ended.
  bool wait_until(const std::function<bool()>& enough);
  // Waits for the end. Its status; 128 + n where signal n ended it.
  int wait();

 private:
  bool has_ended();

  pid_t child_;
  int status_ = -1;  // once it has ended
};

}  // namespace mec::test
