#include "mec/ssl/training/checkpoint_files.h"

#include <algorithm>
#include <charconv>
#include <string_view>
#include <system_error>

namespace mec {

namespace {

constexpr std::string_view kBefore = "checkpoint-";
constexpr std::string_view kAfter = ".safetensors";

}  // namespace

std::string checkpoint_name(std::int64_t step) { return concat(kBefore, step, kAfter); }

std::optional<std::int64_t> step_in_name(const std::string& name) {
  if (name.size() <= kBefore.size() + kAfter.size() || !name.starts_with(kBefore) || !name.ends_with(kAfter)) return {};
  std::int64_t step = 0;
  std::from_chars(name.data() + kBefore.size(), name.data() + name.size() - kAfter.size(), step);
  // Other spellings of a number are no checkpoint's name, nor are other words.
  return step >= 1 && checkpoint_name(step) == name ? std::optional(step) : std::nullopt;
}

std::vector<std::int64_t> checkpoints_in(const std::filesystem::path& folder) {
  std::vector<std::int64_t> steps;
  if (!std::filesystem::exists(folder)) return steps;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (const auto step = step_in_name(entry.path().filename().string())) steps.push_back(*step);
  }
  std::ranges::sort(steps);
  return steps;
}

std::unique_ptr<Checkpoint> newest_checkpoint(const std::filesystem::path& folder,
                                              const std::function<void(const std::string&)>& note,
                                              const std::function<void(std::int64_t step)>& check_step) {
  std::vector<std::int64_t> steps = checkpoints_in(folder);
  std::vector<std::string> reasons;
  for (; !steps.empty(); steps.pop_back()) {
    const std::filesystem::path path = folder / checkpoint_name(steps.back());
    try {
      auto checkpoint = std::make_unique<Checkpoint>(path);
      check<IoError>(checkpoint->step() == steps.back(), path.string(), ": the checkpoint is that of step ",
                     checkpoint->step());
      if (check_step) check_step(steps.back());
      for (const std::string& reason : reasons) {
        if (note) note(concat(reason, "; passed over, going on from ", checkpoint_name(steps.back())));
      }
      return checkpoint;
    } catch (const MemoryError&) {
      throw;  // says nothing of the file
    } catch (const Error& error) {
      reasons.emplace_back(error.what());
    }
  }
  check<IoError>(reasons.empty(), first_few(reasons),
                 reasons.size() > 1 ? "; these are all checkpoints" : "; it is the only one",
                 " of this run: remove what is damaged, and it begins again");
  return nullptr;
}

std::string remove_other_checkpoints(const std::filesystem::path& folder, std::int64_t newest, std::int64_t kept) {
  const std::vector<std::int64_t> steps = checkpoints_in(folder);
  const std::int64_t before = std::ranges::count_if(steps, [&](std::int64_t step) { return step < newest; });
  std::string failed;
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const bool is_kept = steps[i] == newest || (steps[i] < newest && before - static_cast<std::int64_t>(i) < kept);
    std::error_code error;
    if (!is_kept) std::filesystem::remove(folder / checkpoint_name(steps[i]), error);
    if (error) failed = concat((folder / checkpoint_name(steps[i])).string(), " cannot be removed: ", error.message());
  }
  return failed;
}

}  // namespace mec
