// What the processes of one run settle with each other before and after they train.
#pragma once

#include <string>

#include "mec/ssl/run/rank_log.h"
#include "mec/ssl/run/train_run.h"

namespace mec {

// What several processes cannot do. ValueError.
void check_several(const PretrainSettings& settings, const RunOptions& options);

// Processes that are started together train one run. ValueError where this one has other settings,
// images or arithmetic than the first: it would make other calls of the ranks, and all would wait.
// Where the data are, how they are read, and when checkpoints are written is each one's own.
// scores: what encoders are scored by; "" where they are not.
void check_same_run(const PretrainSettings& settings, const Dataset& images, const std::string& computed_on,
                    const std::string& scores, Communicator& ranks);

// Begins the log with where this rank runs, and returns the run's notes: they go there, the first
// rank's also to the user. The log outlives them.
Teller log_notes(RankLog& log, const RunOptions& options);
// The run's folder is there. The first rank notes which others do not see it.
void open_log(RankLog& log, const std::filesystem::path& out, const RunOptions& options);

// Gives all ranks what only the first knows of the end.
void tell_ranks(RunEnd& end, Communicator& ranks);

}  // namespace mec
