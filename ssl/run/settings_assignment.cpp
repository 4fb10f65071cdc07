// Assigns a value to a setting by its key; errors for unknown keys suggest a correction.
#include <algorithm>
#include <numeric>

#include "mec/ssl/methods/methods.h"
#include "mec/tensor/text.h"
#include "mec/ssl/run/settings_table.h"

namespace mec {

namespace {

bool has_setting(PretrainSettings& settings, const std::string& key) {
  const std::vector<Setting> all = bind_settings(settings);
  return std::ranges::find(all, key, &Setting::key) != all.end();
}

// The other methods that the key belongs to, by its section or because they have the setting. Empty
// where the chosen method has it.
std::vector<std::string> other_methods_with(const PretrainSettings& settings,
                                            const std::string& key) {
  PretrainSettings theirs = settings;
  if (key == "method" || has_setting(theirs, key)) return {};
  std::vector<std::string> names;
  std::vector<std::string> all{kSupervised};
  for (const Method& method : methods()) all.push_back(method.name);
  for (const std::string& method : all) {
    if (method == settings.method) continue;
    choose_method(theirs, method);
    if (key.starts_with(method + ".") || has_setting(theirs, key)) names.push_back(method);
  }
  return names;
}

std::string own_settings_of(PretrainSettings& settings) {
  std::vector<std::string> own;
  for (const Setting& setting : bind_settings(settings)) {
    if (setting.key.starts_with(settings.method + ".")) own.push_back(setting.key);
  }
  return own.empty() ? "which has no settings of its own"
                     : concat("whose own settings are ", joined(own));
}

// Levenshtein's distance: insertions, deletions and changes of a letter.
std::size_t edit_distance(const std::string& a, const std::string& b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i + 1;
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t change = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({change, row[j] + 1, row[j + 1] + 1});
    }
  }
  return row.back();
}

}  // namespace

void assign_setting(PretrainSettings& settings, const std::string& key, const SettingValue& value) {
  const std::vector<Setting> all = bind_settings(settings);
  const auto found = std::ranges::find(all, key, &Setting::key);
  if (found != all.end()) return found->set(value);
  const std::vector<std::string> others = other_methods_with(settings, key);
  if (!others.empty()) {
    throw ValueError(concat("'", key, "' is a setting of method \"", joined(others, "\", \""),
                            "\", but the method is \"", settings.method, "\", ",
                            own_settings_of(settings)));
  }
  const auto nearest = std::ranges::min_element(
      all, {}, [&](const Setting& s) { return edit_distance(s.key, key); });
  check<ValueError>(2 * edit_distance(nearest->key, key) > key.size(), "unknown setting '", key,
                    "'; did you mean '", nearest->key, "'?");
  throw ValueError(concat("unknown setting '", key, "'; examples/configs explains all"));
}

bool is_for_another_method(const PretrainSettings& settings, const std::string& key,
                           const SettingValue& value) {
  const std::vector<std::string> others = other_methods_with(settings, key);
  if (others.empty()) return false;
  PretrainSettings theirs = settings;
  choose_method(theirs, others.front());
  assign_setting(theirs, key, value);
  return true;
}

}  // namespace mec
