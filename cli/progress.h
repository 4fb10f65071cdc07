// Shows the progress of a long run: a bar that is drawn over on a terminal, plain lines elsewhere.
#pragma once

#include <chrono>
#include <ostream>
#include <string>

#include "mec/ssl/training/trainer.h"

namespace mec::cli {

struct ProgressStyle {
  bool terminal = false;            // lines can be drawn over
  std::chrono::milliseconds pause;  // the least time between two lines
  // The terminal's columns at this moment, to which lines are cut. 0: not known, lines stay whole.
  int (*columns)() = nullptr;
};
// The columns of standard output's terminal, or the variable COLUMNS where that is less. 0 where
// neither is known. Asked at every line, since a terminal may be resized.
int terminal_columns();

// The bar moves ten times a second; a log file gets a line every 15 seconds.
inline constexpr ProgressStyle kProgressBar{
    .terminal = true, .pause = std::chrono::milliseconds(100), .columns = terminal_columns};
inline constexpr ProgressStyle kProgressLog{.terminal = false, .pause = std::chrono::seconds(15)};

class Progress : public Observer {
 public:
  Progress(std::ostream& out, const ProgressStyle& style);
  ~Progress() override;  // ends the line of a bar that a failure left standing

  void on_step(const StepReport& report) override;
  void before_evaluation(std::int64_t epoch) override;
  void on_evaluation(const Evaluation& evaluation) override;
  void on_epoch(std::int64_t epoch, Learner& learner) override;

 private:
  using Clock = std::chrono::steady_clock;
  std::string describe(const StepReport& report, const Metrics& scores) const;
  void end_line();
  void draw(const std::string& bar, const std::string& line) const;

  std::ostream& out_;
  ProgressStyle style_;
  bool started_ = false;  // the first step is done; its set-up time would spoil the rate
  double seconds_ = 0;    // since then, of steps
  double evaluation_seconds_ = 0;
  std::int64_t images_ = 0;
  Clock::time_point shown_;
  StepReport latest_;
  std::string line_;       // the latest step's
  bool standing_ = false;  // a bar is drawn and its line not ended
};

}  // namespace mec::cli
