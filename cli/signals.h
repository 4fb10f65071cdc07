// How the program ends when it is told to: by SIGTERM, SIGINT (Ctrl-C) or SIGUSR1.
#pragma once

#include <stdexcept>
#include <string>

#include "mec/ssl/training/trainer.h"

namespace mec::cli {

// Exit statuses. 75 is EX_TEMPFAIL of sysexits.h: not done, run the same command again.
inline constexpr int kStatusOfSigusr1 = 75;
inline constexpr int kStatusOfSigint = 130;
inline constexpr int kStatusOfSigterm = 143;

// The program ends with this status, after one line on stderr.
struct StoppedBySignal : std::runtime_error {
  StoppedBySignal(const std::string& message, int status_in) : std::runtime_error(message), status(status_in) {}
  int status;
};

// Installs the handlers; a signal that the caller ignores (nohup) stays ignored. From now on a
// signal ends the program at once, with its status: everything that is written is whole at any
// instant. While training asks stop_requested(), the step is finished first, and a checkpoint
// written; a second SIGINT then ends the program at once. A wait for the loader is given up, and
// what scores an encoder, within five seconds; where that cannot be (this thread reads the image,
// or the loader's threads do not end), the program ends then.
void install_signal_handlers();

// For RunOptions: training that asks this ends where a signal says so.
bool stop_requested(TrainPhase next);
// Throws StoppedBySignal, with the first signal's name and status; where only another of several
// processes had one, with status 75. Call it where training has ended after stop_requested();
// `where` says how far it is and how it goes on.
[[noreturn]] void throw_stopped(const std::string& where);

}  // namespace mec::cli
