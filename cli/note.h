// Messages for the user that are not errors.
#pragma once

#include <string>
#include <vector>

namespace mec::cli {

// One line on stderr.
void note(const std::string& text);
// The same, but each text only once in the life of the program.
void note_once(const std::string& text);

// From now on notes are kept instead of printed: those of other processes than the first.
void hold_notes();
std::vector<std::string> held_notes();  // so far

}  // namespace mec::cli
