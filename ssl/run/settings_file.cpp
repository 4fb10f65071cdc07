#include "mec/ssl/run/run_directory.h"
#include "mec/ssl/run/settings_file.h"
#include "mec/ssl/run/settings_table.h"
#include "mec/tensor/io/input_file.h"
#include "mec/tensor/text.h"

#include <toml++/toml.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>


namespace mec {

namespace {

struct Assignment {
  std::string key;
  SettingValue value;
};

SettingValue to_value(const std::string& key, const toml::node& node) {
  if (const auto* v = node.as_boolean()) return v->get();
  if (const auto* v = node.as_integer()) return v->get();
  if (const auto* v = node.as_floating_point()) return v->get();
  if (const auto* v = node.as_string()) return v->get();
  if (const toml::array* list = node.as_array()) {
    std::vector<double> numbers;
    for (const toml::node& entry : *list) {
      check<ValueError>(entry.is_number(), key, " may contain only numbers");
      numbers.push_back(*entry.value<double>());
    }
    return numbers;
  }
  throw ValueError(concat(key, " is a number, a text, true or false, or a list of numbers, but got a date"));
}

void flatten(const toml::table& table, const std::string& prefix, std::vector<Assignment>& out) {
  for (const auto& [name, node] : table) {
    const std::string key = prefix + std::string(name.str());
    check<ValueError>(name.str().find('.') == std::string_view::npos, "'", key,
                      "' has a dot within quotes; a section's name and a key's stand apart: "
                      "[train], then lr = 1");
    if (const toml::table* inner = node.as_table()) flatten(*inner, key + ".", out);
    else out.push_back({key, to_value(key, node)});
  }
}

// "section.key=value". A value that is not TOML is taken as a text without quotes.
Assignment parse_assignment(const std::string& text) {
  const std::size_t equals = text.find('=');
  check<ValueError>(equals != std::string::npos && equals > 0, "a setting is given as section.key=value, not as '", text, "'");
  Assignment assignment{.key = text.substr(0, equals), .value = text.substr(equals + 1)};
  try {
    const toml::table table = toml::parse(concat("value = ", text.substr(equals + 1)));
    if (table.size() == 1) assignment.value = to_value(assignment.key, *table.get("value"));
  } catch (const toml::parse_error&) {
  }
  return assignment;
}

// The order of assignment. The method goes first, since it resets settings to its published ones;
// then the number of views, then settings of all views at once, then those of single views.
std::ptrdiff_t rank(const Assignment& assignment) {
  if (assignment.key == "method") return 0;
  return assignment.key == "augment.views" ? 1 : 2 + std::ranges::count(assignment.key, '.');
}

// A regulariser's other settings have no effect without its weight, which is 0 unless it is set.
void check_regularizer(const PretrainSettings& settings,
                       const std::vector<Assignment>& assignments) {
  const std::string section = "mixture_kl.", weight = "mixture_kl.weight";
  if (settings.mixture_kl.weight != 0 ||
      std::ranges::count(assignments, weight, &Assignment::key) > 0)
    return;
  for (const Assignment& assignment : assignments) {
    check<ValueError>(!assignment.key.starts_with(section), "'", assignment.key,
                      "' has no effect, since ", weight,
                      " is 0 unless it is set, and nothing is added to the loss then; set it too");
  }
}

enum class Serves { one_method, several_methods };

void apply(PretrainSettings& settings, std::vector<Assignment> assignments, Serves serves) {
  check_regularizer(settings, assignments);
  std::ranges::stable_sort(assignments, {}, rank);
  for (const auto& [key, value] : assignments) {
    if (serves == Serves::several_methods && is_for_another_method(settings, key, value)) continue;
    assign_setting(settings, key, value);
  }
}

PretrainSettings read(const std::filesystem::path& path, Serves serves,
                      const std::string& method = "") {
  const auto bytes = read_file(path);
  PretrainSettings settings;
  try {
    std::vector<Assignment> assignments;
    flatten(
        toml::parse(std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size())),
        "", assignments);
    if (!method.empty()) {
      std::erase_if(assignments, [](const Assignment& a) { return a.key == "method"; });
      assignments.push_back({"method", method});
    }
    apply(settings, std::move(assignments), serves);
  } catch (const toml::parse_error& error) {
    throw ValueError(
        concat(path.string(), ":", error.source().begin.line, ": ", error.description()));
  } catch (const ValueError& error) {
    throw ValueError(concat(path.string(), ": ", error.what()));
  }
  return settings;
}

std::string to_toml(double number) {
  std::array<char, 32> digits{};
  std::string text(digits.data(), std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr);
  return text.find_first_of(".e") == std::string::npos ? text + ".0" : text;
}
std::string to_toml(std::int64_t number) { return std::to_string(number); }
std::string to_toml(bool flag) { return flag ? "true" : "false"; }
std::string to_toml(const std::vector<double>& numbers) {
  std::string list;
  for (const double number : numbers) list += (list.empty() ? "" : ", ") + to_toml(number);
  return "[" + list + "]";
}
std::string to_toml(const std::string& text) {
  std::string quoted = "\"";
  for (const char c : text) {
    const auto code = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      quoted += {'\\', c};
    } else if (code < 0x20 || code == 0x7f) {  // TOML allows no control character but as an escape
      char escape[8];
      std::snprintf(escape, sizeof escape, "\\u%04X", static_cast<unsigned>(code));
      quoted += escape;
    } else {
      quoted += c;
    }
  }
  return quoted + "\"";
}

}  // namespace

PretrainSettings read_settings(const std::filesystem::path& path) {
  return read(path, Serves::one_method);
}

PretrainSettings read_settings(const std::filesystem::path& path, const std::string& method) {
  return read(path, Serves::several_methods, method);
}

PretrainSettings read_run_settings(const std::filesystem::path& folder) {
  return read(folder / kSettingsFile, Serves::several_methods);
}

void apply_assignments(PretrainSettings& settings, const std::vector<std::string>& assignments) {
  std::vector<Assignment> parsed;
  for (const std::string& text : assignments) parsed.push_back(parse_assignment(text));
  apply(settings, std::move(parsed), Serves::one_method);
}

void complete_data_path(PretrainSettings& settings) {
  check<ValueError>(!settings.data.path.empty(), "data.path is missing: it names the folder of the images");
  settings.data.path = std::filesystem::absolute(settings.data.path).string();
  check<ValueError>(is_utf8(settings.data.path), "data.path: '", settings.data.path, "' is not UTF-8, which ", kSettingsFile,
                    " has to be; rename the folder, or reach it by a link of another name");
}

std::vector<std::pair<std::string, std::string>> list_settings(const PretrainSettings& settings) {
  PretrainSettings copy = settings;  // the table binds members for writing
  std::vector<std::pair<std::string, std::string>> list;
  for (const Setting& setting : bind_settings(copy)) {
    if (setting.shorthand) continue;
    list.emplace_back(setting.key, std::visit([](const auto& v) { return to_toml(v); }, setting.get()));
  }
  return list;
}

std::string write_settings(const PretrainSettings& settings) {
  std::string text, section;
  for (const auto& [key, value] : list_settings(settings)) {
    const std::size_t dot = key.rfind('.');
    const std::string of = dot == std::string::npos ? "" : key.substr(0, dot);
    if (of != section) text += concat("\n[", of, "]\n");
    section = of;
    text += concat(dot == std::string::npos ? key : key.substr(dot + 1), " = ", value, "\n");
  }
  return text;
}

}  // namespace mec
