#include "mec/cli/note.h"

#include <iostream>
#include <set>

#include "mec/tensor/text.h"

namespace mec::cli {

namespace {

bool holds = false;
std::vector<std::string> held;

}  // namespace

void note(const std::string& text) {
  if (holds) held.push_back(text);
  else std::cerr << "mec: " << printable(text) << "\n";
}

void hold_notes() { holds = true; }

std::vector<std::string> held_notes() { return held; }

void note_once(const std::string& text) {
  static std::set<std::string> said;
  if (said.insert(text).second) note(text);
}

}  // namespace mec::cli
