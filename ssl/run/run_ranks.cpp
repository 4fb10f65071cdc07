#include "mec/ssl/run/run_ranks.h"

#include <string>
#include <vector>

#include "mec/distributed/agreement.h"
#include "mec/ssl/run/settings_file.h"
#include "mec/tensor/text.h"

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
}

void check_same_run(const PretrainSettings& settings, const Dataset& images, const std::string& computed_on,
                    const std::string& scores, Communicator& ranks) {
  std::vector<std::string> own{concat("images = ", images.size()), concat("classes = ", joined(images.info().class_names)),
                               concat("arithmetic = ", computed_on)};
  for (const auto& [name, value] : list_settings(settings)) {
    const bool is_path = name == "data.path" || name == "data.list" || name == "model.weights";
    if (!is_path && name != "data.workers" && !name.starts_with("train.checkpoint")) own.push_back(concat(name, " = ", value));
  }
  own.push_back(concat("scores of ", scores.empty() ? "nothing" : scores));
  check_same(own, "train one run", ranks);
}

Teller log_notes(RankLog& log, const RunOptions& options) {
  for (const std::string& line : options.surroundings) log.add(line);
  const Teller shown = options.ranks->rank() == 0 ? options.note : Teller();
  return [&log, shown](const std::string& line) {
    log.add(line);
    if (shown) shown(line);
  };
}

void open_log(RankLog& log, const std::filesystem::path& out, const RunOptions& options) {
  std::vector<std::string> missing;
  for (const int rank : log.open(out)) missing.push_back(std::to_string(rank));
  if (missing.empty() || options.ranks->rank() > 0) return;
  if (options.note)
    options.note(concat(missing.size() == 1 ? "process " : "processes ", listed(missing), " cannot write into ",
                        printable((out / kRanksFolder).string()), " as the first one sees it, and keep no log"));
}

void tell_ranks(RunEnd& end, Communicator& ranks) {
  end.complete = ranks.broadcast(end.complete ? 1 : 0) > 0;
  end.goes_on_after = ranks.broadcast(end.goes_on_after);
}

}  // namespace mec
