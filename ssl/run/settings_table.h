// The names of all settings: one table ties each key to its member, and reading, checking, `--set`,
// the nearest known name and writing back all follow from it.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <variant>
#include <vector>

#include "mec/ssl/settings.h"

namespace mec {

using SettingValue = std::variant<bool, std::int64_t, double, std::string, std::vector<double>>;  // what TOML knows

struct Setting {
  std::string key;  // "train.lr"
  std::function<SettingValue()> get;
  // ValueError, naming the key, for a wrong type or a value out of range.
  std::function<void(const SettingValue&)> set;
  bool shorthand = false;                        // sets several others at once: not written back
};

// One Setting for each key that the method uses, bound to the members of `settings`, which must
// outlive them. Setting "method" or "augment.views" invalidates all of them.
std::vector<Setting> bind_settings(PretrainSettings& settings);

// ValueError for a key that only other methods have, naming those methods and this method's own
// settings, and for an unknown key, naming the nearest known one.
void assign_setting(PretrainSettings& settings, const std::string& key, const SettingValue& value);

// Whether only other methods have the key, or it stands in their section. ValueError where its
// value would be wrong there.
bool is_for_another_method(const PretrainSettings& settings, const std::string& key,
                           const SettingValue& value);

}  // namespace mec
