#include "mec/ssl/training/checkpoint.h"

#include <charconv>

namespace mec {

namespace {

constexpr const char* kStep = "step";
constexpr const char* kStepsPerEpoch = "steps_per_epoch";

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
  return texts;
}

}  // namespace

Checkpoint::Checkpoint(const std::filesystem::path& path)
    : file_(path.string()), content_(load_state(path)), step_(number(kStep)), steps_per_epoch_(number(kStepsPerEpoch)) {
  check<IoError>(step_ % steps_per_epoch_ == 0, file_, ": a checkpoint is of the end of an epoch, but this is of step ", step_,
                 " with ", steps_per_epoch_, " in an epoch");
}

std::int64_t Checkpoint::number(const char* key) const {
  const auto found = content_.metadata.find(key);
  const std::string text = found == content_.metadata.end() ? "" : found->second;
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  check<IoError>(error == std::errc() && end == text.data() + text.size() && value >= 1, file_,
                 ": not a checkpoint of a run: '", key, "' in its metadata is a number from 1, not '", text, "'");
  return value;
}

void Checkpoint::restore(const RunIdentity& identity, Learner& learner, const Objective& objective) const {
  std::vector<std::string> differences;
  for (const auto& [name, value] : texts_of(identity)) {
    const auto found = content_.metadata.find(name);
    const std::string in_file = found == content_.metadata.end() ? "not set" : found->second;
    if (in_file != value) differences.push_back(concat(name, " is ", in_file, " in the checkpoint, but ", value, " here"));
  }
  check<IoError>(differences.empty(), file_, ": the checkpoint is of another run: ", first_few(differences),
                 "; go on with the settings that it was made with, or start a new run");
  restore_state(content_, file_, state_of_run(learner, objective));
}

CheckpointWriter::CheckpointWriter(std::filesystem::path path, const TrainSettings& train, RunIdentity identity,
                                   const Objective& objective)
    : path_(std::move(path)),
      every_(train.checkpoint_epochs),
      epochs_(train.epochs),
      identity_(std::move(identity)),
      objective_(objective) {
  check<ValueError>(every_ >= 0, "train.checkpoint_epochs is not negative, but is ", every_);
}

void CheckpointWriter::on_epoch(std::int64_t epoch, Learner& learner) {
  if (every_ == 0 || (epoch % every_ != 0 && epoch != epochs_)) return;
  std::map<std::string, std::string> metadata{{"format", "pt"},  // as Python's readers expect it
                                              {kStep, std::to_string(epoch * identity_.steps_per_epoch)}};
  for (const auto& [name, value] : texts_of(identity_)) metadata[name] = value;
  save_state(path_, state_of_run(learner, objective_), metadata);
}

}  // namespace mec
