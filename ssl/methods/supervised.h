// Learning from labels: cross-entropy of a classifier behind the encoder.
#pragma once

#include "mec/ssl/methods/methods.h"

namespace mec {

// The mean over rows and views of −Σ_c q_c·log softmax(logits)_c, where the label's q is 1 − s +
// s/K and that of each other class s/K: label smoothing by s (Szegedy et al. 2016, "Rethinking the
// Inception Architecture", section 7; torch.nn.CrossEntropyLoss). Metrics: "loss", and "accuracy",
// the share of rows whose label has the largest logit.
class SupervisedObjective : public Objective {
 public:
  explicit SupervisedObjective(double label_smoothing) : smoothing_(label_smoothing) {}

  std::string name() const override { return kSupervised; }
  bool ema_teacher() const override { return false; }
  bool view_by_view() const override { return false; }
  bool learns_from_labels() const override { return true; }
  bool takes_own_rows(const BatchSize&) const override { return true; }
  // Students' embeddings are logits (n,K). ShapeError where there are not as many labels as rows.
  ObjectiveResult operator()(const std::vector<StudentView>& students, const std::vector<Tensor>& teachers,
                             const StepContext& step) override;
  Metrics summarize(const std::vector<std::vector<double>>& parts) const override;

 private:
  double smoothing_;
};

Method supervised_method();
// One view, cropped at random and mirrored, as evaluations of encoders have trained their
// classifiers (torchvision's RandomResizedCrop and RandomHorizontalFlip with their defaults).
AugmentSettings supervised_views();

}  // namespace mec
