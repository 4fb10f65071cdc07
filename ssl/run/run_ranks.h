// What the processes of one run settle with each other before and after they train.
#pragma once

#include <string>

#include "mec/ssl/run/train_run.h"
#include "mec/ssl/training/checkpoint.h"

namespace mec {

// What several processes cannot do. ValueError.
void check_several(const PretrainSettings& settings, const RunOptions& options);

// Processes that are started together train one run. ValueError where this one has other settings,
// images or arithmetic than the first.
void check_same_run(const RunIdentity& identity, const std::string& computed_on, Communicator& ranks);

// Gives all ranks what only the first knows of the end.
void tell_ranks(RunEnd& end, Communicator& ranks);

}  // namespace mec
