// The two standard scores of a set of features, side by side.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "mec/eval/knn.h"
#include "mec/eval/linear_probe.h"

namespace mec {

// Share of equal entries, in [0, 1]. ShapeError when the sizes differ, ValueError when there are
// none.
double accuracy(const std::vector<std::int32_t>& predicted, const std::vector<std::int32_t>& labels);

struct LinearScore {
  double accuracy = 0;
  bool converged = false;
  int iterations = 0;
};

// Fitted to `train`; the accuracy is that on `test`, whose classes are matched by name (classes.h).
double knn_accuracy(const Features& train, const Features& test, const KnnOptions& options = {});
LinearScore linear_accuracy(const Features& train, const Features& test, const LinearProbeOptions& options = {});

// Which scores to take; at least one.
struct ReportOptions {
  std::optional<KnnOptions> knn = KnnOptions{};
  std::optional<LinearProbeOptions> linear = LinearProbeOptions{};
};

// One line of the table that puts an encoder beside raw pixels and a random encoder.
struct ReportRow {
  std::string features;
  std::int64_t width = 0;
  std::optional<double> knn;
  std::optional<LinearScore> linear;
};

ReportRow make_report_row(const std::string& name, const Features& train, const Features& test,
                          const ReportOptions& options = {});
// The same with a function that kNN and probe call between pieces of their work.
ReportRow make_report_row(const std::string& name, const Features& train, const Features& test, ReportOptions options,
                          const std::function<void()>& at_work);

}  // namespace mec
