#include "mec/eval/classes.h"

#include <algorithm>
#include <map>
#include <set>

namespace mec {

namespace {

constexpr std::size_t kNamesSaid = 5;

std::string class_name(const Features& features, std::int32_t label) {
  const std::vector<std::string>& names = features.class_names;
  check<ValueError>(label >= 0, "classes: labels count from 0, but one is ", label);
  if (names.empty()) return std::to_string(label);
  check<ValueError>(static_cast<std::size_t>(label) < names.size(), "classes: a label is ", label,
                    ", but only the ", names.size(), " labels from 0 have class names");
  return names[static_cast<std::size_t>(label)];
}

// The names of all classes that have rows, by label.
std::map<std::int32_t, std::string> classes_with_rows(const Features& features, const char* rows) {
  check<ValueError>(!features.labels.empty(), "classes: accuracy needs labels, but the ", rows,
                    " have none; put each class into a sub-folder of its name");
  std::map<std::int32_t, std::string> classes;
  for (const std::int32_t label : std::set(features.labels.begin(), features.labels.end())) {
    classes[label] = class_name(features, label);
  }
  return classes;
}

// "'ant', 'bee' and 3 others"
std::string list_names(const std::vector<std::string>& names) {
  std::string text;
  for (std::size_t i = 0; i < std::min(names.size(), kNamesSaid); ++i) {
    text += concat(i > 0 ? ", '" : "'", names[i], "'");
  }
  return names.size() <= kNamesSaid ? text
                                    : concat(text, " and ", names.size() - kNamesSaid, " others");
}

Features labels_of(const Dataset& dataset) {
  Features labels{.x = {}, .labels = {}, .class_names = dataset.info().class_names};
  if (!dataset.info().has_labels) return labels;
  for (std::int64_t i = 0; i < dataset.size(); ++i) labels.labels.push_back(dataset.label(i));
  return labels;
}

}  // namespace

std::vector<std::int32_t> labels_as_in(const Features& train, const Features& test) {
  std::map<std::string, std::int32_t> known;
  std::vector<std::string> known_names;
  for (const auto& [label, name] : classes_with_rows(train, "training images")) {
    check<ValueError>(known.emplace(name, label).second,
                      "classes: two training classes are called '", name, "'");
    known_names.push_back(name);
  }
  std::map<std::int32_t, std::int32_t> as_in_train;
  std::vector<std::string> unknown;
  for (const auto& [label, name] : classes_with_rows(test, "test images")) {
    if (const auto found = known.find(name); found != known.end())
      as_in_train[label] = found->second;
    else unknown.push_back(name);
  }
  check<ValueError>(unknown.empty(), "classes: ", unknown.size(),
                    " of the test images' classes have no training image: ", list_names(unknown),
                    "; the training images are of ", list_names(known_names),
                    ": give a class one name in both splits, and training images (a limit may have "
                    "left them out)");
  std::vector<std::int32_t> labels;
  labels.reserve(test.labels.size());
  for (const std::int32_t label : test.labels) labels.push_back(as_in_train.at(label));
  return labels;
}

void check_classes(const Dataset& train, const Dataset& test) {
  labels_as_in(labels_of(train), labels_of(test));
}

std::string class_of(const Dataset& dataset, std::int64_t i) {
  if (!dataset.info().has_labels) return "";
  return class_name({.x = {}, .labels = {}, .class_names = dataset.info().class_names}, dataset.label(i));
}

std::vector<std::int32_t> join_classes(std::vector<std::string>& classes,
                                       const Features& features) {
  if (features.labels.empty()) return {};
  const std::int32_t largest = *std::ranges::max_element(features.labels);
  const auto count = std::max(static_cast<std::int32_t>(features.class_names.size()), largest + 1);
  std::vector<std::int32_t> joined;
  for (std::int32_t label = 0; label < count; ++label) {
    const std::string name = class_name(features, label);
    const auto found = std::ranges::find(classes, name);
    joined.push_back(static_cast<std::int32_t>(found - classes.begin()));
    if (found == classes.end()) classes.push_back(name);
  }
  std::vector<std::int32_t> labels;
  labels.reserve(features.labels.size());
  for (const std::int32_t label : features.labels)
    labels.push_back(joined[static_cast<std::size_t>(label)]);
  return labels;
}

}  // namespace mec
