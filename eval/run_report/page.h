// The page: one HTML file without anything outside it.
#pragma once

#include <string>
#include <vector>

#include "mec/eval/run_report/report_data.h"

namespace mec::report {

struct Report {
  std::vector<RunReport> runs;
  std::string machine;  // and versions: lines of text
};

// Whether this build has dygraphs, which draws the curves; without it they are tables.
bool draws_curves();

// Data are JSON within the page, and become text by its script: names of files and classes, which
// may hold anything, are never HTML.
std::string make_page(const Report& report);

}  // namespace mec::report
