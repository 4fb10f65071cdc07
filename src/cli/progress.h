// What a person sees of a long run: a bar that is drawn over on a terminal, plain lines elsewhere.
#pragma once

#include <chrono>
#include <ostream>
#include <string>

#include "mec/ssl/trainer.h"

namespace mec::cli {

class Progress : public Observer {
 public:
  // Writes to `out`; `terminal` says whether lines can be drawn over.
  Progress(std::ostream& out, bool terminal);
  ~Progress() override;  // ends the line of a bar that a failure left standing

  void on_step(const StepReport& report) override;
  void on_epoch(std::int64_t epoch, Learner& learner) override;

 private:
  using Clock = std::chrono::steady_clock;
  std::string describe(const StepReport& report) const;

  std::ostream& out_;
  bool terminal_;
  double seconds_ = 0;      // since the first step, whose set-up would spoil the rate
  std::int64_t images_ = 0;
  Clock::time_point shown_;
  std::string line_;        // the latest step's
  bool standing_ = false;   // a bar is drawn and its line not ended
};

}  // namespace mec::cli
