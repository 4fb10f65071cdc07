// One row for each setting: a value far from the default, and what it means. Tests take their rows
// from the list of all settings, so that a setting without a row fails.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "mec/ssl/settings.h"

namespace mec::test {

struct Change {
  std::string assignment;  // "train.lr=0.02", as after --set
  std::function<void(PretrainSettings&)> apply;
};

struct SettingRow {
  Change change;
  std::vector<Change> beside = {};  // settings under which it matters, made before
  std::vector<Change> after = {};   // and settings that it would otherwise set
  std::string method = "mec";
  bool changes_training = true;

  std::string key() const { return change.assignment.substr(0, change.assignment.find('=')); }
};

// Of [model], [mec], [mixture_kl], [train], [log] and the methods' own numbers.
const std::vector<SettingRow>& training_rows();
const std::vector<SettingRow>& data_rows();
// On images in gray, with labels in both splits.
const std::vector<SettingRow>& eval_rows();
// "augment.size" and its like for all views and for each of two, and "augment.views".
const std::vector<SettingRow>& augment_rows();

// Two epochs of three steps on 26 images in color: every row changes what comes of it.
PretrainSettings base_settings(const std::string& method = "mec");

}  // namespace mec::test
