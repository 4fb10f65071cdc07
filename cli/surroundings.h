// What a process inherits from whoever starts it, and how it goes on with less than it expects.
#pragma once

#include <string>

namespace mec::cli {

// To be called first. Standard streams that are closed lead to /dev/null: else the next file that
// is opened would take their place, and what is printed would go into it. A write beyond the limit
// on the size of files is an error like others, not the end of the process.
void prepare_process();

// Whether all that was printed on standard output has left the process; why not, where it has not.
bool flush_output(std::string& reason);

// Says that memory ran out, and which limit the process has.
std::string out_of_memory();

}  // namespace mec::cli
