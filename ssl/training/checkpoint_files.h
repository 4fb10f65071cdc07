// The checkpoints in a run's folder: checkpoint-<step>.safetensors, one for each step that is kept.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "mec/ssl/training/checkpoint.h"

namespace mec {

std::string checkpoint_name(std::int64_t step);
// The step of a file of that name; none where it is no checkpoint's name.
std::optional<std::int64_t> step_in_name(const std::string& name);
// The steps of the folder's checkpoints, ascending; none where there is no such folder.
std::vector<std::int64_t> checkpoints_in(const std::filesystem::path& folder);

// The newest checkpoint that is whole; null where the folder has none. `note` is told which newer
// ones were passed over, and why. `check_step` throws an IoError where a run cannot go on from that
// step for another reason than its checkpoint: it is passed over, too. IoError where there are some
// and none can be taken.
std::unique_ptr<Checkpoint> newest_checkpoint(const std::filesystem::path& folder,
                                              const std::function<void(const std::string&)>& note,
                                              const std::function<void(std::int64_t step)>& check_step = {});

// Removes all checkpoints but that of step `newest` and those before it, `kept` in all. Newer ones
// were passed over when the run went on. Returns why one could not be removed, or "".
std::string remove_other_checkpoints(const std::filesystem::path& folder, std::int64_t newest, std::int64_t kept);

}  // namespace mec
