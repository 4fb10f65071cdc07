// How ranks agree on what they do together, and wait for the one that works alone.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "mec/distributed/communicator.h"

namespace mec {

// Every rank's text, in the order of ranks.
std::vector<std::string> gather_texts(const std::string& own, Communicator& ranks);

// ValueError where a line of this rank's differs from the first one's. what: they do together, such
// as "train one run".
void check_same(const std::vector<std::string>& own, const std::string& what, Communicator& ranks);

// Calls f on the first rank alone, and returns on all when that is done. f calls `at_work` between
// pieces of its work: it then tells the others at most once a second, so that they wait for as long
// as it works, and not longer than their patience where it hangs. What f throws must end the other
// ranks.
using AtWork = std::function<void()>;
void on_first_rank(Communicator& ranks, const std::function<void(const AtWork& at_work)>& f);

}  // namespace mec
