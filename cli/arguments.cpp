#include "mec/cli/arguments.h"

#include <charconv>
#include <cmath>
#include <limits>
#include <sstream>

#include <CLI/CLI.hpp>

#include "mec/cli/program.h"
#include "mec/cli/ranks.h"
#include "mec/tensor/error.h"
#include "mec/tensor/text.h"

namespace mec::cli {

namespace {

// from_chars: decimal in every locale, and it reports numbers that do not fit. It does not accept a
// plus sign, so one is skipped. std::errc::invalid_argument where not all of the word is a number.
template <class T> std::errc read_number(const std::string& word, T& value) {
  const bool plus = word.starts_with('+') && !word.starts_with("+-");
  const char* const last = word.data() + word.size();
  const auto [end, error] = std::from_chars(word.data() + (plus ? 1 : 0), last, value);
  return end == last ? error : std::errc::invalid_argument;
}

template <class T> T parse_number(const std::string& word, const char* kind) {
  T value{};
  const std::errc error = read_number(word, value);
  if (error == std::errc::result_out_of_range) {
    throw UsageError(concat("'", word, "' does not fit: the range is ", std::numeric_limits<T>::lowest(), " to ",
                            std::numeric_limits<T>::max()));
  }
  if (error != std::errc{}) throw UsageError(concat("'", word, "' is not ", kind));
  return value;
}

}  // namespace

template <> std::string parse_word(const std::string& word) { return word; }
template <> int parse_word(const std::string& word) { return parse_number<int>(word, "a whole number"); }
template <> std::int64_t parse_word(const std::string& word) { return parse_number<std::int64_t>(word, "a whole number"); }
template <> std::uint64_t parse_word(const std::string& word) {
  return parse_number<std::uint64_t>(word, "a whole number from 0");
}
template <> double parse_word(const std::string& word) {
  const auto value = parse_number<double>(word, "a number");
  if (!std::isfinite(value)) throw UsageError(concat("'", word, "' is not a finite number"));
  return value;
}

Shown show(const std::string& value) { return {.type = "TEXT", .text = value}; }
Shown show(int value) { return {.type = "INT", .text = concat(value)}; }
Shown show(std::int64_t value) { return {.type = "INT", .text = concat(value)}; }
Shown show(std::uint64_t value) { return {.type = "INT", .text = concat(value)}; }
Shown show(double value) { return {.type = "FLOAT", .text = concat(value)}; }

Option& Option::required() { return option_->required(), *this; }
Option& Option::show_default() {
  option_->capture_default_str();
  return *this;
}
Option& Option::positive() {
  return in_range("above 0", [](double value) { return value > 0; });
}
Option& Option::not_negative() {
  return in_range("0 or above", [](double value) { return value >= 0; });
}
Option& Option::between(double low, double high) {
  return in_range(concat("from ", digits_of(low), " to ", digits_of(high)),
                  [=](double value) { return low <= value && value <= high; });
}

// Accepts a word that is not a number: the conversion reports it, and knows the type asked for.
Option& Option::in_range(const std::string& rule, const std::function<bool(double)>& holds) {
  return check([=](const std::string& word) -> std::string {
    double value = 0;
    const bool is_number = read_number(word, value) == std::errc{};
    return !is_number || holds(value) ? "" : "must be " + rule + ", but is " + word;
  });
}

Option& Option::one_of(const std::vector<std::string>& words) {
  option_->type_name("{" + show(words).text + "}");
  return check([=](const std::string& word) -> std::string {
    for (const std::string& known : words) {
      if (word == known) return "";
    }
    return "'" + word + "' is none of " + show(words).text;
  });
}

Option& Option::check(const std::function<std::string(const std::string&)>& why_not) {
  option_->check(CLI::Validator([why_not](std::string& word) { return why_not(word); }, ""));
  return *this;
}
Option& Option::list() { return option_->delimiter(','), *this; }
Option& Option::repeated() { return option_->take_all()->expected(1)->allow_extra_args(false), *this; }
Option& Option::count(int least, int most) { return option_->expected(least, most), *this; }
Option& Option::group(const std::string& heading) { return option_->group(heading), *this; }
Option& Option::value_name(const std::string& name) { return option_->type_name(name), *this; }
Option& Option::excludes(const Option& other) { return option_->excludes(other.option_), *this; }
Option& Option::needs(const Option& other) { return option_->needs(other.option_), *this; }

Command Command::add_subcommand(const std::string& name, const std::string& help) {
  return Command(app_->add_subcommand(name, help));
}
Command& Command::require_subcommand() {
  app_->require_subcommand(1);
  return *this;
}
Command Command::add_choice_of_one(const std::string& name, const std::string& help) {
  CLI::App* group = app_->add_option_group(name, help);
  group->require_option(1);
  return Command(group);
}

Option Command::add(const std::string& name, const std::string& help, const Shown& shown, bool several, const Take& take) {
  const auto callback = [name, take](const CLI::results_t& words) {
    try {
      take(words);
    } catch (const UsageError& error) {
      throw UsageError(name + ": " + error.what());
    }
    return true;
  };
  CLI::Option* option = app_->add_option(name, callback, help, false, [text = shown.text] { return text; });
  option->type_name(shown.type);
  if (several) option->expected(1, CLI::detail::expected_max_vector_size)->allow_extra_args();
  return Option(option);
}

Option Command::add_flag(const std::string& name, bool& target, const std::string& help) {
  return Option(app_->add_flag(name, target, help));
}
void Command::remove_option(const std::string& name) { app_->remove_option(app_->get_option(name)); }
void Command::run(const std::function<void()>& callback) {
  app_->callback([callback] { run_alone(callback); });
}
void Command::run_in_each(const std::function<void()>& callback) { app_->callback(callback); }

CommandLine::CommandLine(const std::string& name, const std::string& description, const std::string& version)
    : app_(std::make_unique<CLI::App>(description, name)) {
  app_->set_version_flag("--version", version);
}
CommandLine::~CommandLine() = default;

Command CommandLine::program() const { return Command(app_.get()); }

std::string CommandLine::parse(int argc, const char* const* argv) {
  try {
    app_->parse(argc, argv);
    return "";
  } catch (const CLI::Success& asked) {
    std::ostringstream text;
    app_->exit(asked, text, text);
    return text.str();
  } catch (const CLI::ParseError& error) {
    throw UsageError(error.what());
  }
}

}  // namespace mec::cli
