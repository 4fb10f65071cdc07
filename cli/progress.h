// What a person sees of a long run: a bar that is drawn over on a terminal, plain lines elsewhere.
#pragma once

#include <chrono>
#include <ostream>
#include <string>

#include "mec/ssl/training/trainer.h"

namespace mec::cli {

struct ProgressStyle {
  bool terminal = false;            // lines can be drawn over
  std::chrono::milliseconds pause;  // between two of them
  // Of the terminal, now: lines are cut to them. 0: not known, lines stay whole.
  int (*columns)() = nullptr;
};
// Of standard output's terminal, which a person may resize, or what COLUMNS says where that is
// less. 0 where neither says it.
int terminal_columns();

// Often enough to look alive; rarely enough not to fill a log file.
inline constexpr ProgressStyle kProgressBar{
    .terminal = true, .pause = std::chrono::milliseconds(100), .columns = terminal_columns};
inline constexpr ProgressStyle kProgressLog{.terminal = false, .pause = std::chrono::seconds(15)};

class Progress : public Observer {
 public:
  Progress(std::ostream& out, const ProgressStyle& style);
  ~Progress() override;  // ends the line of a bar that a failure left standing

  void on_step(const StepReport& report) override;
  void on_epoch(std::int64_t epoch, Learner& learner) override;

 private:
  using Clock = std::chrono::steady_clock;
  std::string describe(const StepReport& report) const;
  void draw(const std::string& bar) const;

  std::ostream& out_;
  ProgressStyle style_;
  bool started_ = false;  // a step was done: the first one's set-up would spoil the rate
  double seconds_ = 0;    // since then
  std::int64_t images_ = 0;
  Clock::time_point shown_;
  std::string line_;       // the latest step's
  bool standing_ = false;  // a bar is drawn and its line not ended
};

}  // namespace mec::cli
