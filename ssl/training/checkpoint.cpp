#include "mec/ssl/training/checkpoint.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "mec/tensor/text.h"

namespace mec {

namespace {

constexpr const char* kStep = "step";
constexpr const char* kStepsPerEpoch = "steps_per_epoch";
constexpr const char* kComputedOn = "computed_on";

State state_of_run(Learner& learner, const Objective& objective) {
  State all = state_of(learner.online, "online.");
  const auto append = [&](const State& more) { all.insert(all.end(), more.begin(), more.end()); };
  if (learner.teacher) append(state_of(learner.teacher->network, "teacher."));
  append(state_of(*learner.optimizer, learner.parameters, learner.online));
  for (const auto& [name, tensor] : objective.state()) all.push_back({"objective." + name, tensor});
  return all;
}

std::vector<std::pair<std::string, std::string>> texts_of(const RunIdentity& identity) {
  auto texts = identity.settings;
  texts.emplace_back(kStepsPerEpoch, std::to_string(identity.steps_per_epoch));
  if (identity.images > 0) texts.emplace_back("images", std::to_string(identity.images));
  return texts;
}

}  // namespace

Checkpoint::Checkpoint(const std::filesystem::path& path)
    : file_(path.string()), content_(load_state(path)), step_(number(kStep)), steps_per_epoch_(number(kStepsPerEpoch)) {}

std::string Checkpoint::text(const std::string& key) const {
  const auto found = content_.metadata.find(key);
  return found == content_.metadata.end() ? "" : found->second;
}

std::int64_t Checkpoint::number(const char* key) const {
  const std::string digits = text(key);
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  check<IoError>(error == std::errc() && end == digits.data() + digits.size() && value >= 1, file_,
                 ": not a checkpoint of a run: '", key, "' in its metadata is a number from 1, not '", digits, "'");
  return value;
}

std::string Checkpoint::computed_on() const { return text(kComputedOn); }

std::vector<SettingChange> Checkpoint::changes(const RunIdentity& identity) const {
  std::vector<SettingChange> changes;
  for (const auto& [name, value] : texts_of(identity)) {
    const auto by_default = std::ranges::find(identity.defaults, name, &std::pair<std::string, std::string>::first);
    const std::string was = content_.metadata.contains(name)        ? text(name)
                            : by_default != identity.defaults.end() ? by_default->second
                                                                    : "not set";
    if (was != value) changes.push_back({.name = name, .was = was, .is = value});
  }
  return changes;
}

void Checkpoint::check_same(const RunIdentity& identity) const {
  std::vector<std::string> differences;
  for (const auto& [name, was, is] : changes(identity)) {
    differences.push_back(concat(name, " is ", was, " in the checkpoint, but ", is, " here"));
  }
  check<IoError>(differences.empty(), file_, ": the checkpoint is of another run: ", joined(differences, "; "),
                 "; go on with the settings that it was made with, with these by --resume-with-changes, or start a new run");
}

void Checkpoint::restore(Learner& learner, const Objective& objective) const {
  restore_state(content_, file_, state_of_run(learner, objective));
}

void broadcast_state(Learner& learner, const Objective& objective) {
  for (const auto& entry : state_of_run(learner, objective)) learner.ranks->broadcast(entry.tensor);
}

State copy_run_state(Learner& learner, const Objective& objective, const Device& host) {
  return copy_to_host(state_of_run(learner, objective), host);
}

void save_checkpoint(const std::filesystem::path& path, State state, std::int64_t step, const RunIdentity& identity,
                     const std::string& computed_on) {
  std::map<std::string, std::string> metadata{{"format", "pt"},  // as Python's readers expect it
                                              {kStep, std::to_string(step)},
                                              {kComputedOn, computed_on}};
  for (const auto& [name, value] : texts_of(identity)) metadata[name] = value;
  save_state(path, std::move(state), metadata);
}

}  // namespace mec
