// Declares the options of a command line and parses it. The interface follows CLI11, which does the
// parsing; CLI11's large header is included by arguments.cpp alone.
#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace mec::cli {

// The value that a word stands for. UsageError, with the reason, for a word that is not a number,
// out of the type's range, or not finite.
template <class T> T parse_word(const std::string& word);
template <> std::string parse_word(const std::string& word);
template <> int parse_word(const std::string& word);
template <> std::int64_t parse_word(const std::string& word);
template <> std::uint64_t parse_word(const std::string& word);
template <> double parse_word(const std::string& word);

// The type and the text of a value, as the help shows them.
struct Shown {
  std::string type, text;
};
Shown show(const std::string& value);
Shown show(int value);
Shown show(std::int64_t value);
Shown show(std::uint64_t value);
Shown show(double value);
template <class T> Shown show(const std::optional<T>& value) {
  return value ? show(*value) : Shown{.type = show(T{}).type, .text = ""};
}
template <class T> Shown show(const std::vector<T>& values) {
  Shown all{.type = show(T{}).type, .text = ""};
  for (const T& value : values) {
    if (!all.text.empty()) all.text += ',';
    all.text += show(value).text;
  }
  return all;
}

// A handle. Each member sets one property of the option and returns the handle.
class Option {
 public:
  Option& required();
  Option& show_default();  // in the help
  Option& positive();      // numbers above 0
  Option& not_negative();  // 0 and above
  Option& between(double low, double high);
  Option& one_of(const std::vector<std::string>& words);
  // Any other rule for a word: why_not returns why the word is wrong, or "" where it is right.
  Option& check(const std::function<std::string(const std::string&)>& why_not);
  Option& list();                             // several values with commas between them
  Option& repeated();                         // may be given several times, with one value each
  Option& count(int least, int most);         // takes so many values
  Option& group(const std::string& heading);  // in the help
  Option& value_name(const std::string& name);
  Option& excludes(const Option& other);
  Option& needs(const Option& other);

 private:
  friend class Command;
  explicit Option(CLI::Option* option) : option_(option) {}
  Option& in_range(const std::string& rule, const std::function<bool(double)>& holds);

  CLI::Option* option_;
};

// A handle for a subcommand, or for the program itself. Every `target`, and all that callbacks
// refer to, must outlive the parsing.
class Command {
 public:
  Command add_subcommand(const std::string& name, const std::string& help);
  Command& require_subcommand();
  // Options of which exactly one must be given, under a heading of their own.
  Command add_choice_of_one(const std::string& name, const std::string& help);

  // A name without dashes is a positional argument. T: string, number, or an optional or a vector
  // of these.
  template <class T> Option add_option(const std::string& name, T& target, const std::string& help) {
    return add(name, help, show(target), is_vector(target),
               [&target](const std::vector<std::string>& words) { assign(words, target); });
  }
  // One of these words, each of which stands for a value.
  template <class T>
  Option add_option(const std::string& name, T& target, const std::string& help,
                    const std::vector<std::pair<std::string, T>>& values) {
    std::vector<std::string> words;
    for (const auto& [word, value] : values) words.push_back(word);
    return add(name, help, {}, false,
               [&target, values](const std::vector<std::string>& given) {
                 for (const auto& [word, value] : values) {
                   if (word == given.front()) target = value;
                 }
               })
        .one_of(words);
  }
  // --name sets the target; "!--no-name" clears it.
  Option add_flag(const std::string& name, bool& target, const std::string& help);
  void remove_option(const std::string& name);

  // When the command line names this subcommand: in one process alone, or in each of several, which
  // then make up a launch of their own (ranks.h).
  void run(const std::function<void()>& callback);
  void run_in_each(const std::function<void()>& callback);

 private:
  friend class CommandLine;
  using Take = std::function<void(const std::vector<std::string>&)>;

  explicit Command(CLI::App* app) : app_(app) {}
  Option add(const std::string& name, const std::string& help, const Shown& shown, bool several, const Take& take);

  template <class T> static bool is_vector(const T&) { return false; }
  template <class T> static bool is_vector(const std::vector<T>&) { return true; }
  template <class T> static void assign(const std::vector<std::string>& words, T& target) {
    target = parse_word<T>(words.front());
  }
  template <class T> static void assign(const std::vector<std::string>& words, std::optional<T>& target) {
    target = parse_word<T>(words.front());
  }
  template <class T> static void assign(const std::vector<std::string>& words, std::vector<T>& target) {
    target.clear();
    for (const std::string& word : words) target.push_back(parse_word<T>(word));
  }

  CLI::App* app_;
};

class CommandLine {
 public:
  CommandLine(const std::string& name, const std::string& description, const std::string& version);
  ~CommandLine();
  CommandLine(const CommandLine&) = delete;
  CommandLine& operator=(const CommandLine&) = delete;

  Command program() const;
  // Runs the subcommand that is named. Where help or the version was asked for instead, returns the
  // text to print. UsageError for a wrong command line.
  std::string parse(int argc, const char* const* argv);

 private:
  std::unique_ptr<CLI::App> app_;
};

}  // namespace mec::cli
