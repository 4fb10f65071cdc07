#include "mec/eval/report.h"

#include "mec/eval/classes.h"

namespace mec {

double accuracy(const std::vector<std::int32_t>& predicted, const std::vector<std::int32_t>& labels) {
  check<ShapeError>(predicted.size() == labels.size(), "accuracy: ", predicted.size(), " predictions, but ", labels.size(),
                    " labels");
  check<ValueError>(!labels.empty(), "accuracy: there are no labels");
  std::size_t right = 0;
  for (std::size_t i = 0; i < labels.size(); ++i) right += predicted[i] == labels[i];
  return static_cast<double>(right) / static_cast<double>(labels.size());
}

double knn_accuracy(const Features& train, const Features& test, const KnnOptions& options) {
  const std::vector<std::int32_t> labels = labels_as_in(train, test);
  return accuracy(knn_classify(train, test.x, options), labels);
}

LinearScore linear_accuracy(const Features& train, const Features& test, const LinearProbeOptions& options) {
  const std::vector<std::int32_t> labels = labels_as_in(train, test);
  const LinearProbe probe = fit_linear_probe(train, options);
  return {.accuracy = accuracy(classify(probe, test.x), labels), .converged = probe.converged, .iterations = probe.iterations};
}

ReportRow make_report_row(const std::string& name, const Features& train, const Features& test, const ReportOptions& options) {
  ReportRow row{.features = name, .width = train.x.dim(1), .knn = {}, .linear = {}};
  if (options.knn) row.knn = knn_accuracy(train, test, *options.knn);
  if (options.linear) row.linear = linear_accuracy(train, test, *options.linear);
  return row;
}

ReportRow make_report_row(const std::string& name, const Features& train, const Features& test, ReportOptions options,
                          const std::function<void()>& at_work) {
  if (options.knn) options.knn->at_work = at_work;
  if (options.linear) options.linear->at_work = at_work;
  return make_report_row(name, train, test, options);
}

}  // namespace mec
