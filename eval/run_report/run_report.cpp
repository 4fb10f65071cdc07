#include "mec/eval/run_report/run_report.h"

#include "mec/eval/run_report/run_curves.h"
#include "mec/eval/run_report/run_facts.h"
#include "mec/ssl/run/settings_file.h"
#include "mec/tensor/text.h"

namespace mec::report {

void check_runs(const std::vector<std::filesystem::path>& runs) {
  for (std::size_t i = 0; i < runs.size(); ++i) {
    const std::string name = printable(runs[i].string());
    check<IoError>(!std::filesystem::is_regular_file(runs[i]), name,
                   ": a report is of a run's folder, with its settings and metrics; this is a file (mec eval table scores an "
                   "encoder alone)");
    check<IoError>(std::filesystem::is_regular_file(runs[i] / kSettingsFile), name, ": not the folder of a run, it has no ",
                   kSettingsFile);
    read_run_settings(runs[i]);
    for (std::size_t j = 0; j < i; ++j) {
      check<ValueError>(!std::filesystem::equivalent(runs[i], runs[j]), name, " and ", printable(runs[j].string()),
                        " are one run; name each run once");
    }
  }
}

RunReport report_run(const std::filesystem::path& run, const std::string& name, const LookOptions* options) {
  const PretrainSettings settings = read_run_settings(run);
  RunCurves curves = read_curves(run, settings.train.batch);
  RunReport report{.name = name, .folder = run.string()};
  report.facts = facts_of(run, settings, curves);
  report.settings = list_settings_beside_defaults(settings);
  report.curves = std::move(curves.curves);
  if (options) look_at_images(run, settings, *options, report);
  else report.missing.emplace_back("views, neighbours, plane, table, confusion matrix: --no-images");
  return report;
}

}  // namespace mec::report
