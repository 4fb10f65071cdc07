// Messages for the user that are not errors.
#pragma once

#include <string>

namespace mec::cli {

// One line on stderr.
void note(const std::string& text);
// The same, but each text only once in the life of the program.
void note_once(const std::string& text);

}  // namespace mec::cli
