#include "mec/cli/progress.h"

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

std::string Progress::describe(const StepReport& report) const {
  std::string text = concat("epoch ", report.epoch, "  step ", report.step, "/", report.steps);
  if (seconds_ > 0) {
    const double rate = static_cast<double>(images_) / seconds_;
    const double left = static_cast<double>((report.steps - report.step) * report.images) / rate;
    text += concat("  ", fixed(rate, 0), " images/s  ETA ", clock_text(left));
  }
  for (const auto& [name, value] : report.metrics) {
    if (name == "loss") text += "  loss " + fixed(value, 4) + (report.skipped ? " (step skipped)" : "");
    if (name == "coding_length") text += "  coding length " + fixed(value, 1);
    if (name == "spectral_norm") text += "  norm " + fixed(value, 3) + (value >= 1 ? " (the series would diverge)" : "");
  }
  return text;
}

// Draws over the current line, with the bar first where both fit. The last column stays free, since
// some terminals begin a new line once it is filled.
void Progress::draw(const std::string& bar) const {
  const int columns = style_.columns ? style_.columns() : 0;
  const std::size_t room = columns > 0 ? static_cast<std::size_t>(columns - 1) : std::string::npos;
  const bool fits = bar.size() + line_.size() <= room;
  out_ << "\r\033[K" << (fits ? bar : "") << whole_fields(line_, room);
}

void Progress::on_step(const StepReport& report) {
  if (started_) {
    seconds_ += report.seconds;
    images_ += report.images;
  }
  started_ = true;
  line_ = describe(report);
  if (Clock::now() - shown_ < style_.pause) return;
  shown_ = Clock::now();
  standing_ = style_.terminal;
  if (!style_.terminal) {
    out_ << line_ << std::endl;
    return;
  }
  draw(bar(report.step, report.steps));
  out_ << std::flush;
}

void Progress::on_epoch(std::int64_t, Learner&) {
  shown_ = Clock::now();
  if (style_.terminal) draw("");
  else out_ << line_;
  out_ << std::endl;
  standing_ = false;
}

}  // namespace mec::cli
