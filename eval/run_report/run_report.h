// A report of runs, for a person.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "mec/eval/run_report/page.h"
#include "mec/eval/run_report/run_looks.h"

namespace mec::report {

// Errors, before any work, for what is no run's folder or has wrong settings, and for one folder
// given twice.
void check_runs(const std::vector<std::filesystem::path>& runs);

// What the run's folder says of it; with options also what its images and encoder look like.
RunReport report_run(const std::filesystem::path& run, const std::string& name, const LookOptions* options);

}  // namespace mec::report
