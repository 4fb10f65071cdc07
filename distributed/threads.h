// Ranks that are threads of one process: for tests, and to see what a run in many processes does
// under a debugger.
#pragma once

#include <functional>

#include "mec/distributed/communicator.h"

namespace mec {

// Calls f once in each of `size` threads, with its communicator, and returns when all have. Where
// one throws, the others throw DeviceError at their next call; the first exception is thrown again
// here.
void run_ranks(int size, const std::function<void(const CommunicatorPtr&)>& f);

}  // namespace mec
