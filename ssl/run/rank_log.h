// The logs of a run's processes, where it has several: ranks/0.log, ranks/1.log, … in its folder.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "mec/distributed/communicator.h"
#include "mec/ssl/training/trainer.h"

namespace mec {

inline constexpr const char* kRanksFolder = "ranks";

// What this rank saw, a line for each thing with the time (UTC): where it runs, its notes, after
// each epoch how long it waited for images, and how it ended. For people: no other file depends on
// it, and a line that cannot be written is lost.
class RankLog : public Observer {
 public:
  explicit RankLog(CommunicatorPtr ranks) : ranks_(std::move(ranks)) {}

  void add(const std::string& line);  // kept until open()
  // All ranks call it once the first one has made the run's folder. Lines follow those of former
  // starts. Returns which ranks do not see the first one's folder: they keep no log.
  std::vector<int> open(const std::filesystem::path& run);

  void on_step(const StepReport& report) override;
  void on_epoch(std::int64_t epoch, Learner& learner) override;

 private:
  bool write();

  CommunicatorPtr ranks_;
  std::filesystem::path file_;  // empty: not open
  std::string lines_;           // that are not in it
  std::int64_t steps_ = 0;      // of this epoch
  double seconds_ = 0, waited_ = 0, longest_ = 0;
};

}  // namespace mec
