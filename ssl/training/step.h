// One training step, made of its named parts.
#pragma once

#include <functional>
#include <utility>
#include <vector>

#include "mec/ssl/methods/objective.h"
#include "mec/ssl/training/learner.h"
#include "mec/ssl/training/scalars.h"

namespace mec {

// What a step leaves in device memory, to be read later.
struct StepOutput {
  std::vector<Tensor> metrics;  // of the objective
  Tensor projection;            // (m,d): the projector's output for the first view, this rank's rows
  // (1), f32: 1 when every gradient is finite and, where steps may be skipped
  // (train.on_nonfinite), every number of the metrics and running statistics, too; else 0.
  Tensor finite;
};

// What a step is given: of several ranks, this one's rows.
struct StepInput {
  StepInput() = default;
  // Implicit: most methods learn from views alone.
  StepInput(std::vector<Tensor> views_in, Tensor labels_in = {}) : views(std::move(views_in)), labels(std::move(labels_in)) {}

  std::vector<Tensor> views;  // (N,H,W,C) each, in the parameters' dtype or the activations'
  Tensor labels;              // (N) i32, on the views' device, where the objective learns from them
};

// Teacher embeddings of every view, in f32, nothing saved for backward. Only with an averaged
// teacher. Each view passes in so many equal parts.
std::vector<Tensor> embed_teachers(const Learner& learner, const std::vector<Tensor>& views, std::int64_t parts = 1);

// One view through the online network, in f32.
struct StudentEmbedding {
  Variable embedding;  // the predictor's output
  Tensor projection;   // the predictor's input
};
StudentEmbedding embed_student(const Learner& learner, const Tensor& view, const Pass& pass = kTraining);
// Optimiser step, teacher average. Where `when` (1), f32, is defined and 0, nothing is changed.
void update(Learner& learner, const StepScalars& scalars, const Tensor& when = {});

// Is told the name of each part as it begins: teacher (where there is one), student, objective,
// backward, update.
using OnPart = std::function<void(const char*)>;

// embed, objective, backward, update. No host read-back: recordable. Where the learner skips steps
// that are not finite, such a step leaves learner and objective as they were, to the bit.
// ValueError where the learner has no teacher and the objective needs one, or the other way round,
// and the same for labels of the input.
//
// With learner.accumulate = k, the loss is that of the whole batch, and so is its gradient: the k
// parts are embedded without keeping activations, the objective is taken of all of them, and then
// each part passes again, forward and backward, with its rows of the objective's gradient (Gao et
// al. 2021, "Scaling Deep Contrastive Learning Batch Size under Memory Limited Setup", section 3).
// Batch norm normalises each part by its own statistics, as over k devices. ShapeError where k does
// not divide N.
//
// On several ranks, the objective is that of the rows of all ranks (Objective::takes_own_rows), and
// its gradient's own rows go backward; the parameters' gradients are the sum over ranks: those of
// one process with the whole batch.
StepOutput training_step(
    Learner& learner, Objective& objective, const StepInput& input, const StepScalars& scalars,
    const OnPart& on_part = [](const char*) {});

}  // namespace mec
