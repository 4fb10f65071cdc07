#include "mec/ssl/methods/supervised.h"

#include "mec/ssl/losses/log_sum_exp.h"
#include "mec/tensor/ops.h"

namespace mec {

namespace {

struct RowLosses {
  Tensor loss;     // (n)
  Tensor dlogits;  // (n,K)
};

// (1 − s)·CE(label) + s·(mean over classes of −log softmax).
RowLosses smoothed(const CrossEntropy& entropy, const Tensor& logits, double s) {
  if (s == 0) return {.loss = entropy.loss, .dlogits = entropy.dlogits};
  const RowLogSumExp all = log_sum_exp_rows(logits);
  const Tensor even = all.value.reshape({-1}) - mean(logits, 1);
  return {.loss = entropy.loss * (1 - s) + even * s,
          .dlogits = entropy.dlogits * (1 - s) + all.softmax * s - s / static_cast<double>(logits.dim(1))};
}

// How many rows have their largest logit at the label; of equal logits the first counts as larger.
Tensor count_right(const Tensor& logits, const Tensor& labels) {
  const auto ones_at = [&](const Tensor& places) {
    return max_grad(places, Tensor::full(places.shape(), 1.0, logits.dtype(), logits.device()), logits.shape(), 1);
  };
  return sum(mul(ones_at(labels), ones_at(max(logits, 1).indices)));
}

}  // namespace

ObjectiveResult SupervisedObjective::operator()(const std::vector<StudentView>& students, const std::vector<Tensor>&,
                                                const StepContext& step) {
  ObjectiveResult out;
  std::vector<Tensor> sums;
  for (const StudentView& student : students) {
    const Tensor& logits = student.embedding;
    check<ShapeError>(step.labels && step.labels.shape() == Shape({logits.dim(0)}), "supervised: ", logits.dim(0),
                      " rows have as many labels, but these are ", step.labels ? step.labels.shape() : Shape({0}));
    const double per_row = 1.0 / static_cast<double>(step.rows.count(logits) * static_cast<std::int64_t>(students.size()));
    const CrossEntropy entropy = cross_entropy(logits, step.labels);
    const RowLosses losses = smoothed(entropy, logits, smoothing_);
    out.gradients.push_back(scale(losses.dlogits, per_row));
    sums.push_back(join({scale(sum(losses.loss), per_row), scale(count_right(logits, step.labels), per_row)}));
  }
  for (std::size_t view = 1; view < sums.size(); ++view) add_into(sums[view], sums[0]);
  out.metrics = {step.rows.sum(sums[0])};
  return out;
}

Metrics SupervisedObjective::summarize(const std::vector<std::vector<double>>& parts) const {
  return {{"loss", parts.at(0).at(0)}, {"accuracy", parts.at(0).at(1)}};
}

AugmentSettings supervised_views() {
  return {.views = {{.scale_min = 0.08F, .jitter_probability = 0, .gray_probability = 0, .blur_probability = 0}}};
}

// Optimiser as in torchvision's references/classification/train.py, README: SGD 0.1 for 256 images,
// momentum 0.9, weight decay 1e-4; the rate by a cosine.
Method supervised_method() {
  return {
      .name = kSupervised,
      .title = "Cross-entropy with the images' labels",
      .defaults =
          [](ModelSettings&, TrainSettings& train) {
            train.batch = 256;
            train.lr = 0.1;
            train.warmup = {};
            train.weight_decay = 1e-4;
          },
      .settings = {
          {.name = "label_smoothing", .value = 0, .low = 0, .high = 0.999, .help = "s: share of a label that all classes get"},
          {.name = "head_norm",
           .value = 0,
           .help = "a batch norm without parameters before the linear layer",
           .kind = MethodSetting::Kind::flag}}};
}

}  // namespace mec
