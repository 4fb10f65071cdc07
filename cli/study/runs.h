// The runs behind a study: trained, scored and kept, so that the study goes on where it was
// stopped.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "mec/cli/options.h"
#include "mec/cli/study/rows.h"
#include "mec/eval/plot.h"
#include "mec/ssl/training/trainer.h"

namespace mec::cli {

struct StudyOptions {
  std::string config;
  std::vector<std::string> assignments;
  int seeds = 1;
  std::int64_t k = 20;
  DataOptions data;
  std::string out;
  DeviceOptions device;
};
// CONFIG, --set, --seeds, --k, --out with its default, data and device options.
void add_study_options(Command command, StudyOptions& options, const std::string& out);

// The result of one run.
struct StudyRun {
  std::string failure;         // why it stopped; empty: it ended, and all members below are set
  double knn = 0, linear = 0;  // test accuracies in [0, 1]
  StudyRows::Json metrics;     // means over the last epoch's steps
  // Training time, with waiting for the loader; measured, so different each time.
  double seconds = 0;
  double tensor_mib = 0;       // most tensor memory held at a time
  StudyRows::Json extra;       // the result of MeasureAtEnd
};

class StudyRuns {
 public:
  // Called after the last step, with the networks and the run's folder, where the encoder has been
  // written.
  using MeasureAtEnd = std::function<StudyRows::Json(Learner&, const std::filesystem::path&)>;

  explicit StudyRuns(const StudyOptions& options);

  // The method's published settings, changed by CONFIG (which may also have settings of other
  // methods), then by the study's own assignments, then by --set. ValueError for a configuration
  // that is wrong or names no data, and for assignments that the method does not use.
  PretrainSettings settings(const std::vector<std::string>& assignments,
                            const std::string& method) const;

  // The runs of one variant, one for each seed from 0: those that are missing are trained into
  // OUT/runs/NAME-SEED and scored. A run that NumericalError stops counts as failed; any other
  // error ends the study.
  std::vector<StudyRun> train(const std::string& name, const PretrainSettings& settings, const MeasureAtEnd& measure = {});

  const std::filesystem::path& folder() const { return folder_; }
  const Device& device() const { return device_; }
  int seeds() const { return options_.seeds; }

 private:
  StudyRows::Json train_one(const std::filesystem::path& out, const PretrainSettings& settings,
                            const MeasureAtEnd& measure) const;
  StudyRows::Json score(const std::filesystem::path& run) const;

  StudyOptions options_;
  std::filesystem::path folder_;
  Device device_;
};

// The value of a run that a panel shows; none where the run has no such value. Not called for runs
// that failed.
using ValueOfRun = std::function<std::optional<double>(const StudyRun&)>;
// Adds a point at x, with the runs' values, to the series called `name`, which is made where it is
// missing.
void add_point(CurvePanel& panel, const std::string& name, double x, const std::vector<StudyRun>& runs,
               const ValueOfRun& value_of);

// A table of a study: `columns` and, for each run, seed, knn, linear, seconds, tensor_mib, the
// metrics named, failure.
class StudyTable {
 public:
  StudyTable(const std::vector<std::string>& columns, const std::vector<std::string>& metrics);
  void add(const std::vector<std::string>& values, const std::vector<StudyRun>& runs);
  const std::vector<std::vector<std::string>>& rows() const { return rows_; }

 private:
  std::vector<std::string> metrics_;
  std::vector<std::vector<std::string>> rows_;
};

// NAME.csv, and the curves that have points as pictures, in the study's folder.
void write_study(const StudyRuns& runs, const std::string& name, const StudyTable& table, Curves curves);

}  // namespace mec::cli
