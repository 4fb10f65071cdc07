// The numbers that a run has written, as curves.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "mec/eval/run_report/report_data.h"

namespace mec::report {

// Of a curve with more points, these many are kept: the first and the last, and of each of a third
// as many stretches the lowest, the highest and the first NaN, so that no peak and no gap is lost.
inline constexpr std::size_t kMostPoints = 2000;
void thin(Curve& curve, std::size_t most = kMostPoints);

struct RunCurves {
  std::vector<Curve> curves;              // in the order in which the lines have them, thinned
  std::int64_t step = 0, epoch = 0;       // of the last line of a step
  std::int64_t steps_of_first_epoch = 0;  // so far, where that is the epoch of the last line
  double seconds = 0;                     // of all steps
  double images_per_second = 0;           // the median of all steps; 0 without any
  std::string unread = {};                // "" or which lines could not be read
};

// From metrics.jsonl and timings.jsonl, as far as they go: a last line that is still being written,
// or was cut off by a kill, is left out. Throughput, in images a second, is "images_per_second".
// No curve where there are no files.
RunCurves read_curves(const std::filesystem::path& run, std::int64_t batch);

}  // namespace mec::report
