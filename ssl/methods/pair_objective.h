// Objectives whose loss is a mean over pairs of views of one function of two matrices.
#pragma once

#include "mec/ssl/methods/objective.h"

namespace mec {

struct PairOptions {
  double weight = 1.0;  // of this pair in the loss
  bool dp = true;
  bool dz = false;
  BatchRows rows = {};  // as StepContext's
};

struct PairResult {
  Tensor metrics;  // (k) of the pair, "loss" first; those that add up are weighted already
  Tensor dp, dz;   // (m,d), where asked for
};

// Which embeddings pair() is given of a batch that lies on several ranks.
enum class OfRanks {
  all_rows,      // of all ranks, on each: pair() is as for one process
  own_rows,      // the rank's own: pair() takes all sums over rows with PairOptions::rows
  feature_sums,  // either, for a pair() that sums (d,d) matrices: see feature_sums_are_cheaper()
};

struct PairTraits {
  // Their names, "loss" first; a step's is the sum over pairs. Empty: summarize() is overridden.
  std::vector<std::string> metrics = {"loss"};
  bool symmetric = false;  // both sides carry a gradient, and a pair is counted once
  bool ema_teacher = false;
  OfRanks of_ranks = OfRanks::all_rows;
};

// Directed: the mean over ordered pairs (v, w), v ≠ w, of student v against teacher w. Symmetric:
// the mean over unordered pairs of students. Metrics: those of the traits, and "embedding_std": how
// evenly the first view's projections spread, the mean over features of their standard deviation at
// unit length times √d: 0 where all images share one embedding, near 1 where embeddings point in
// all directions.
class PairObjective : public Objective {
 public:
  explicit PairObjective(PairTraits traits) : traits_(std::move(traits)) {}

  // Loss and gradients of one pair (m,d). In a directed pair p is the student's embedding and z the
  // teacher's; dz is then the gradient that the teacher would have.
  virtual PairResult pair(const Tensor& p, const Tensor& z, const PairOptions& options) const = 0;

  bool ema_teacher() const override { return traits_.ema_teacher; }
  bool view_by_view() const override { return traits_.ema_teacher && !traits_.symmetric; }
  bool takes_own_rows(const BatchSize& batch) const override;
  ObjectiveResult operator()(const std::vector<StudentView>& students, const std::vector<Tensor>& teachers,
                             const StepContext& step) override;
  Metrics summarize(const std::vector<std::vector<double>>& parts) const override;
  const std::vector<std::string>& metrics() const { return traits_.metrics; }

 protected:
  // A pair's metrics, and behind them the spread of the student's projections where it is view 0
  // and `first`, else 0.
  Tensor with_spread(const Tensor& metrics, const StudentView& student, bool first, const BatchRows& rows) const;

 private:
  ObjectiveResult directed(const std::vector<StudentView>& students, const std::vector<Tensor>& teachers,
                           const BatchRows& rows) const;
  ObjectiveResult symmetric(const std::vector<StudentView>& students, const BatchRows& rows) const;

  PairTraits traits_;
};

// One tensor (k) from tensors of k elements in all.
Tensor join(const std::vector<Tensor>& parts);
// ShapeError under the method's name unless p and z are matrices of one size, and not empty;
// DtypeError unless they share a dtype.
void check_pair(const std::string& name, const Tensor& p, const Tensor& z);

}  // namespace mec
