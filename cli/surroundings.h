// The process's environment: closed standard streams, limits, and errors at the end of output.
#pragma once

#include <string>

namespace mec::cli {

// Call this first. Opens /dev/null for standard streams that are closed: otherwise the next file
// that is opened would take their descriptor, and output would be written into it. Ignores SIGXFSZ,
// so that a write beyond the limit on file sizes is an error and does not end the process.
void prepare_process();

// Flushes standard output. Returns whether everything printed there was written; sets `reason`
// where it was not.
bool flush_output(std::string& reason);

// The message for std::bad_alloc, with the limit on addresses that the process has.
std::string out_of_memory();

}  // namespace mec::cli
