// The progress of a run in terminals of any width: a line that wraps would scroll at each update.
#include <doctest/doctest.h>
#include <pty.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <regex>

#include "support/paths.h"
#include "support/program.h"

using namespace mec::test;

namespace {

// All that the program shows on a terminal of that width; 0: one that does not tell it.
std::string shown(const std::vector<std::string>& arguments, unsigned short columns, const char* variable = nullptr) {
  std::vector<std::string> words{program_path()};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  const winsize size{.ws_row = 24, .ws_col = columns, .ws_xpixel = 0, .ws_ypixel = 0};
  int terminal = -1;
  const pid_t child = ::forkpty(&terminal, nullptr, nullptr, &size);
  REQUIRE(child >= 0);
  if (child == 0) {
    if (variable) ::setenv("COLUMNS", variable, 1);
    else ::unsetenv("COLUMNS");
    ::execv(argv[0], argv.data());
    ::_exit(127);
  }
  std::string text;
  char piece[4096];
  for (ssize_t n = 0; (n = ::read(terminal, piece, sizeof piece)) > 0;) text.append(piece, static_cast<std::size_t>(n));
  ::close(terminal);
  int status = 0;
  ::waitpid(child, &status, 0);
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
  return text;
}

// What is drawn over itself, each time anew: what stands between an erasing of the line and the
// next control character.
std::vector<std::string> drawn_lines(const std::string& text) {
  constexpr const char* kErase = "\r\033[K";
  std::vector<std::string> lines;
  for (std::size_t at = text.find(kErase); at != std::string::npos; at = text.find(kErase, at)) {
    at += 4;
    lines.push_back(text.substr(at, text.find_first_of("\r\n", at) - at));
  }
  return lines;
}

}  // namespace

TEST_CASE("progress stays within the columns of the terminal, at any width") {
  const RunFixture fixture;
  const auto train = [&](unsigned short columns, const char* variable = nullptr) {
    std::filesystem::remove_all(fixture.at("r"));
    return shown({"pretrain", fixture.config, "--threads", "1", "--out", fixture.at("r")}, columns, variable);
  };
  const auto widest = [](const std::vector<std::string>& lines) {
    std::size_t most = 0;
    for (const std::string& line : lines) most = std::max(most, line.size());
    return most;
  };
  const std::string whole = train(0);
  const std::size_t full = widest(drawn_lines(whole));
  REQUIRE(full > 80);
  CHECK(widest(drawn_lines(train(300))) > 80);
  for (const unsigned short columns : {20, 40, 79, 80, 81, 100}) {
    CAPTURE(columns);
    const std::string text = train(columns);
    const std::vector<std::string> lines = drawn_lines(text);
    CHECK(lines.size() >= 2);  // one an epoch at least
    CHECK(widest(lines) < columns);
    for (const std::string& line : lines) {
      // Where a step was slow, and both fit.
      const std::size_t bar = line.starts_with("[") ? line.find("] ") + 2 : 0;
      CHECK(line.substr(bar).starts_with(std::string("epoch ").substr(0, columns - 1U)));
      // No field is cut in the middle of a number.
      const std::regex last(
          "(.*  )?(epoch \\d+|step \\d+/\\d+|\\d+ images/s|ETA [0-9:]+|loss -?\\d+\\.\\d{4}|"
          "coding length -?\\d+\\.\\d|norm \\d+\\.\\d{3}.*)");
      CHECK_MESSAGE(std::regex_match(line.substr(bar), last), line);
    }
    CHECK(std::ranges::count(text, '\n') == std::ranges::count(whole, '\n'));
  }
  CHECK(widest(drawn_lines(train(200, "50"))) < 50);
  CHECK(widest(drawn_lines(train(50, "200"))) < 50);
  CHECK(widest(drawn_lines(train(0, "50"))) < 50);
  CHECK(widest(drawn_lines(train(0, "nonsense"))) > 80);
}
