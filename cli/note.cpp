#include "mec/cli/note.h"

#include <iostream>
#include <set>

#include "mec/tensor/text.h"

namespace mec::cli {

void note(const std::string& text) { std::cerr << "mec: " << printable(text) << "\n"; }

void note_once(const std::string& text) {
  static std::set<std::string> said;
  if (said.insert(text).second) note(text);
}

}  // namespace mec::cli
