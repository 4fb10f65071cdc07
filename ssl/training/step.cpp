#include "mec/ssl/training/step.h"

#include <optional>

#include "mec/autograd/ops.h"
#include "mec/ssl/training/rollback.h"
#include "mec/tensor/ops.h"

namespace mec {

namespace {

// The current predictor on projections of other steps, without updating its running statistics.
Tensor predict(const Learner& learner, const Tensor& projections) {
  const NoGrad no_grad;
  const Pass pass{.training = true, .update_running = false};
  return learner.online.predictor.forward(Variable(projections.to(learner.activations)), pass)
      .data()
      .to(learner.parameters.values().dtype());
}

}  // namespace

std::vector<Tensor> embed_teachers(const Learner& learner, const std::vector<Tensor>& views) {
  const NoGrad no_grad;
  std::vector<Tensor> embeddings;
  for (const Tensor& view : views) {
    const Variable z = learner.teacher->network.forward(Variable(view.to(learner.activations)), kTraining);
    embeddings.push_back(z.data().to(learner.parameters.values().dtype()));
  }
  return embeddings;
}

StudentEmbedding embed_student(const Learner& learner, const Tensor& view) {
  const Dtype dtype = learner.parameters.values().dtype();
  const Variable z = learner.online.project(Variable(view.to(learner.activations)), kTraining);
  return {to(learner.online.predictor.forward(z, kTraining), dtype), z.data().to(dtype)};
}

void update(Learner& learner, const StepScalars& scalars, const Tensor& when) {
  learner.optimizer->step(scalars.lr(), when);
  if (learner.teacher) learner.teacher->ema.update(scalars.ema(), when);
}

StepOutput training_step(Learner& learner, Objective& objective, const std::vector<Tensor>& views, const StepScalars& scalars,
                         const OnPart& on_part) {
  check<ValueError>(objective.ema_teacher() == static_cast<bool>(learner.teacher), "training_step: ", objective.name(),
                    objective.ema_teacher() ? " needs" : " has no use for",
                    " an averaged teacher; set LearnerOptions::ema_teacher "
                    "to what the objective says");
  std::optional<Rollback> rollback;
  if (learner.on_nonfinite == OnNonfinite::skip) rollback.emplace(learner, objective);
  std::vector<Tensor> teachers;
  if (learner.teacher) {
    on_part("teacher");
    teachers = embed_teachers(learner, views);
  }
  learner.parameters.clear_grads();
  StepOutput out;
  const StepContext context{.predict = [&](const Tensor& projections) { return predict(learner, projections); }};

  // The views whose activations live together: one, or all where the objective needs every student
  // at once.
  const std::size_t together = objective.view_by_view() ? 1 : views.size();
  for (std::size_t first = 0; first < views.size(); first += together) {
    std::vector<Variable> embedded;
    std::vector<StudentView> students;
    on_part("student");
    for (std::size_t view = first; view < first + together; ++view) {
      const StudentEmbedding student = embed_student(learner, views[view]);
      if (view == 0) out.projection = student.projection;
      embedded.push_back(student.embedding);
      students.push_back({static_cast<std::int64_t>(view), student.embedding.data(), student.projection});
      if (!learner.teacher) teachers.push_back(student.projection);
    }
    on_part("objective");
    const ObjectiveResult result = objective(students, teachers, context);
    students.clear();
    on_part("backward");
    backward(embedded, result.gradients);
    out.metrics.insert(out.metrics.end(), result.metrics.begin(), result.metrics.end());
  }
  on_part("update");
  out.finite = all_finite(learner.parameters.gradients());
  if (rollback) out.finite = rollback->unless_finite(out.finite, out.metrics);
  update(learner, scalars, rollback ? out.finite : Tensor());
  return out;
}

}  // namespace mec
