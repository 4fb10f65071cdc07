// Objective: from the embeddings of students and teachers to a loss and its gradients. The
// interface that every method implements.
#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "mec/distributed/batch_rows.h"
#include "mec/nn/module.h"
#include "mec/ssl/losses/sides.h"
#include "mec/tensor/tensor.h"

namespace mec {

// All f32 (f64 in tests).
struct StudentView {
  std::int64_t view = 0;  // which view of the batch
  // (m,d): carries the gradient. The predictor's output, or the projector's where there is no
  // predictor.
  Tensor embedding;
  Tensor projection = {};  // the projector's output, a constant here
};

struct ObjectiveResult {
  std::vector<Tensor> gradients;  // one per student view given, of these views' part of the loss
  std::vector<Tensor> metrics;    // of each part of the loss, in device memory; summarize() reads them
};

using Metrics = std::vector<std::pair<std::string, double>>;

// What a step offers beside its embeddings.
struct StepContext {
  // Applies the current predictor to other projections, without gradient.
  std::function<Tensor(const Tensor&)> predict = {};
  // The rows of all embeddings, where an objective takes a rank's own.
  BatchRows rows = {};
  // (n) i32 classes of this rank's rows, for an objective that learns_from_labels().
  Tensor labels = {};
};

class Objective {
 public:
  virtual ~Objective() = default;
  virtual std::string name() const = 0;

  // Whether teachers are the embeddings of an averaged copy of the online network. Otherwise they
  // are the students' own projections, as constants, and there is neither a second network nor a
  // second forward pass.
  virtual bool ema_teacher() const = 0;

  // Whether the loss is a sum of parts with one student view each, so that views can be embedded,
  // and their activations freed, one at a time with the same result. Only where the teacher is a
  // network of its own.
  virtual bool view_by_view() const = 0;

  // Whether StepContext::labels are needed. Such an objective takes_own_rows().
  virtual bool learns_from_labels() const { return false; }

  // Of a batch that lies on several ranks. true: embeddings are the rank's own rows, each sum over
  // rows is taken with StepContext::rows, and so the metrics are those of the whole batch, on all
  // ranks; the gradients are those of the own rows. false: embeddings are the rows of all ranks, on
  // each of them, and the objective sees one process with the whole batch.
  virtual bool takes_own_rows(const BatchSize& /*batch*/) const { return false; }

  // Loss and gradients for the given students, out of teachers.size() views in all; teachers carry
  // no gradient. Students are sorted by view. May change state(), but only by kernels: a recorded
  // step replays it.
  virtual ObjectiveResult operator()(const std::vector<StudentView>& students, const std::vector<Tensor>& teachers,
                                     const StepContext& step) = 0;

  // The step's metrics from those of all its parts, read back: "loss" first, then what the method
  // measures.
  virtual Metrics summarize(const std::vector<std::vector<double>>& parts) const = 0;

  // Throws NumericalError where the metrics break the method's own rule, such as a series that does
  // not converge.
  virtual void check_step(const Metrics&) const {}

  // Called before each step (from 0): uploads what the objective changes on a schedule. Never part
  // of a recording.
  virtual void before_step(std::int64_t /*step*/, std::int64_t /*steps_per_epoch*/) {}
  // What before_step() chose for the step, logged beside its metrics.
  virtual Metrics scheduled() const { return {}; }

  // What a checkpoint must hold beside the learner; assigning to a tensor restores it.
  virtual std::vector<NamedBuffer> state() const { return {}; }
};

}  // namespace mec
