#include "mec/cli/progress.h"

#include "mec/ssl/run/evaluations.h"
#include "mec/tensor/text.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

namespace mec::cli {

namespace {

constexpr int kBarWidth = 20;

std::string fixed(double value, int digits) {
  char text[64];
  std::snprintf(text, sizeof text, "%.*f", digits, value);
  return text;
}

std::string clock_text(double seconds) {  // "1:02:03" or "2:03"
  const auto whole = static_cast<long long>(seconds + 0.5);
  char text[32];
  if (whole >= 3600) std::snprintf(text, sizeof text, "%lld:%02lld:%02lld", whole / 3600, whole / 60 % 60, whole % 60);
  else std::snprintf(text, sizeof text, "%lld:%02lld", whole / 60, whole % 60);
  return text;
}

std::string bar(std::int64_t step, std::int64_t steps) {
  const auto full = static_cast<std::size_t>(kBarWidth * step / steps);
  return concat('[', std::string(full, '#'), std::string(kBarWidth - full, '.'), "] ");
}

// As many of the fields, which two spaces part, as there is room for; of the first, what there is.
std::string whole_fields(const std::string& line, std::size_t room) {
  if (line.size() <= room) return line;
  const std::size_t end = line.rfind("  ", room);
  return end == std::string::npos ? first_columns(line, room) : line.substr(0, end);
}

}  // namespace

int terminal_columns() {
  winsize size{};
  const int told = ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
  const char* const text = std::getenv("COLUMNS");
  const int wished = text ? std::atoi(text) : 0;
  return wished > 0 && (told == 0 || wished < told) ? wished : told;
}

Progress::Progress(std::ostream& out, const ProgressStyle& style) : out_(out), style_(style), shown_(Clock::now()) {}

Progress::~Progress() {
  if (standing_) out_ << std::endl;
}

// `scores`: of its epoch's encoders.
std::string Progress::describe(const StepReport& report, const Metrics& scores) const {
  std::string text = concat("epoch ", report.epoch, "  step ", report.step, "/", report.steps);
  if (seconds_ > 0) {
    const double rate = static_cast<double>(images_) / seconds_;
    const double for_each = (seconds_ + evaluation_seconds_) / static_cast<double>(images_);
    const double left = static_cast<double>((report.steps - report.step) * report.images) * for_each;
    text += concat("  ", fixed(rate, 0), " images/s  ETA ", clock_text(left));
  }
  // Of what a narrow terminal cuts off, the first score is the last to go.
  const std::string first = scores.empty() ? "" : concat("  ", score_text(scores[0].first, scores[0].second));
  text += first;
  for (const auto& [name, value] : report.metrics) {
    if (name == "loss") {
      text += "  loss " + fixed(value, 4) + (report.skipped ? " (step skipped)" : "");
      for (std::size_t i = 1; i < scores.size(); ++i) text += "  " + score_text(scores[i].first, scores[i].second);
    }
    if (name == "coding_length") text += "  coding length " + fixed(value, 1);
    if (name == "spectral_norm") text += "  norm " + fixed(value, 3) + (value >= 1 ? " (the series would diverge)" : "");
  }
  return text;
}

// Draws the line over the current one, with the bar first where both fit. The last column stays
// free, since some terminals begin a new line once it is filled.
void Progress::draw(const std::string& bar, const std::string& line) const {
  const int columns = style_.columns ? style_.columns() : 0;
  const std::size_t room = columns > 0 ? static_cast<std::size_t>(columns - 1) : std::string::npos;
  const bool fits = bar.size() + line.size() <= room;
  out_ << "\r\033[K" << (fits ? bar : "") << whole_fields(line, room);
}

void Progress::on_step(const StepReport& report) {
  if (started_) {
    seconds_ += report.seconds;
    images_ += report.images;
  }
  started_ = true;
  latest_ = report;
  line_ = describe(report, {});
  if (Clock::now() - shown_ < style_.pause) return;
  shown_ = Clock::now();
  standing_ = style_.terminal;
  if (!style_.terminal) {
    out_ << line_ << std::endl;
    return;
  }
  draw(bar(report.step, report.steps), line_);
  out_ << std::flush;
}

void Progress::before_evaluation(std::int64_t epoch) {
  if (!style_.terminal) return;
  standing_ = true;
  draw("", concat("epoch ", epoch, "  scoring the encoder"));
  out_ << std::flush;
}

void Progress::on_evaluation(const Evaluation& evaluation) {
  evaluation_seconds_ += evaluation.seconds;
  if (latest_.step == evaluation.step) {
    line_ = describe(latest_, evaluation.scores);
    return;
  }
  // Of a run that goes on from there: no step was taken yet.
  line_ = concat("epoch ", evaluation.epoch);
  for (const auto& [name, accuracy] : evaluation.scores) line_ += "  " + score_text(name, accuracy);
  end_line();
}

void Progress::on_epoch(std::int64_t, Learner&) { end_line(); }

void Progress::end_line() {
  shown_ = Clock::now();
  if (style_.terminal) draw("", line_);
  else out_ << line_;
  out_ << std::endl;
  standing_ = false;
}

}  // namespace mec::cli
