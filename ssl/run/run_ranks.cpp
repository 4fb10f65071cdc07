#include "mec/ssl/run/run_ranks.h"

#include <string>
#include <vector>

#include "mec/distributed/agreement.h"

namespace mec {

namespace {

void check_groups(std::int64_t group, std::int64_t ranks) {
  if (group <= 1 || ranks % group == 0) return;
  const std::int64_t fewer = ranks / group * group;
  throw ValueError(concat("train.sync_batch_norm is ", group, ", but ", ranks, ranks == 1 ? " process has" : " processes have",
                          " no equal groups of ", group, "; ", fewer > 0 ? concat(fewer, " or ") : "", fewer + group,
                          " processes would do"));
}

}  // namespace

void check_several(const PretrainSettings& settings, const RunOptions& options) {
  const int ranks = options.ranks->size();
  check_groups(settings.train.sync_batch_norm, ranks);
  if (ranks == 1) return;
  check_ranks(settings, ranks);
  check<ValueError>(!options.within_minutes, "--within times the steps of one process, but this run has ", ranks,
                    "; choose train.epochs");
  check<ValueError>(settings.data.on_broken == OnBroken::stop,
                    "data.on_broken = \"skip\" keeps one process's list of images, but this run has ", ranks,
                    "; remove the broken images, or train in one process");
}

void check_same_run(const RunIdentity& identity, const std::string& computed_on, Communicator& ranks) {
  std::vector<std::string> own{concat("images = ", identity.images), concat("arithmetic = ", computed_on)};
  for (const auto& [name, value] : identity.settings) own.push_back(concat(name, " = ", value));
  check_same(own, "train one run", ranks);
}

void tell_ranks(RunEnd& end, Communicator& ranks) {
  end.complete = ranks.broadcast(end.complete ? 1 : 0) > 0;
  end.goes_on_after = ranks.broadcast(end.goes_on_after);
}

}  // namespace mec
