#include "mec/ssl/run/run_ranks.h"

#include <sstream>
#include <string>

namespace mec {

void check_several(const PretrainSettings& settings, const RunOptions& options) {
  const int ranks = options.ranks->size();
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
  std::string texts;
  for (const std::string& text : own) texts += text + '\n';
  std::istringstream first(ranks.broadcast(texts));
  for (const std::string& text : own) {
    std::string wanted;
    std::getline(first, wanted);
    check<ValueError>(text == wanted, "processes that are started together train one run, but this one has ", text,
                      ", and the first one ", wanted, "; MEC_PROCESSES=1 makes each a run of its own");
  }
}

void tell_ranks(RunEnd& end, Communicator& ranks) {
  end.complete = ranks.broadcast(end.complete ? 1 : 0) > 0;
  end.goes_on_after = ranks.broadcast(end.goes_on_after);
}

}  // namespace mec
