#include "mec/cli/signals.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <csignal>
#include <cstdint>
#include <cstring>

#include "mec/tensor/error.h"

namespace mec::cli {

namespace {

struct EndingSignal {
  int number;
  int status;
  const char* name;
  const char* line;  // when it ends the program at once
};
constexpr std::array kSignals{
    EndingSignal{SIGTERM, kStatusOfSigterm, "SIGTERM", "mec: stopped by SIGTERM\n"},
    EndingSignal{SIGINT, kStatusOfSigint, "SIGINT", "mec: stopped by SIGINT\n"},
    EndingSignal{SIGUSR1, kStatusOfSigusr1, "SIGUSR1", "mec: stopped by SIGUSR1\n"},
};
constexpr unsigned kLongestWait = 5;  // seconds, for the loader, or for scores of an encoder

// What a handler finds the program at.
enum Doing : std::uint8_t { anything, waiting, step_or_checkpoint };

// All that handlers touch. A lock-free atomic may be used by a handler.
std::atomic<Doing> doing{anything};
std::atomic<const EndingSignal*> first{nullptr};  // the signal that asked to stop
static_assert(std::atomic<Doing>::is_always_lock_free && std::atomic<const EndingSignal*>::is_always_lock_free);

// Only what a handler may call (man 7 signal-safety).
[[noreturn]] void end_at_once(const EndingSignal& signal) {
  [[maybe_unused]] const auto written = ::write(STDERR_FILENO, signal.line, std::strlen(signal.line));
  ::_exit(signal.status);
}

void on_signal(int number) {
  const auto* const signal = std::find_if(kSignals.begin(), kSignals.end(), [=](const auto& s) { return s.number == number; });
  if (doing == anything) end_at_once(*signal);
  const EndingSignal* none = nullptr;
  const bool is_first = first.compare_exchange_strong(none, signal);
  if (!is_first && number == SIGINT) end_at_once(*signal);
  if (is_first && doing == waiting) ::alarm(kLongestWait);
}

// An alarm that somebody else has set ends the program, as it would without this handler.
void on_alarm(int number) {
  const EndingSignal* const signal = first;
  if (signal && doing == waiting) end_at_once(*signal);
  if (signal) return;
  ::signal(number, SIG_DFL);
  ::raise(number);
}

}  // namespace

void install_signal_handlers() {
  struct sigaction action {};
  action.sa_flags = SA_RESTART;  // reads and writes that are under way go on
  for (const EndingSignal& signal : kSignals) {
    struct sigaction old {};
    ::sigaction(signal.number, nullptr, &old);
    if (old.sa_handler == SIG_IGN) continue;
    action.sa_handler = on_signal;
    ::sigaction(signal.number, &action, nullptr);
  }
  action.sa_handler = on_alarm;
  ::sigaction(SIGALRM, &action, nullptr);
}

bool stop_requested(TrainPhase next) {
  if (next == TrainPhase::nothing) {
    doing = anything;
    return first != nullptr;
  }
  // Scores may take longer than five seconds for a batch of images, or for all neighbours.
  doing = next == TrainPhase::step ? step_or_checkpoint : waiting;
  const bool stops = first != nullptr;
  // A checkpoint comes next, which may take longer than a wait for the loader.
  if (stops && next != TrainPhase::end) doing = step_or_checkpoint;
  if (stops && next == TrainPhase::end) ::alarm(kLongestWait);
  return stops;
}

void throw_stopped(const std::string& where) {
  const EndingSignal* const signal = first;
  if (!signal) throw StoppedBySignal(concat("stopped by another process's signal", where), kStatusOfSigusr1);
  throw StoppedBySignal(concat("stopped by ", signal->name, where), signal->status);
}

}  // namespace mec::cli
