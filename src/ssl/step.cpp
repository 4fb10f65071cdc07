#include "mec/ssl/step.h"

#include "mec/autograd/ops.h"
#include "mec/tensor/ops.h"

namespace mec {

std::vector<Tensor> embed_teachers(const Learner& learner, const std::vector<Tensor>& views) {
  const NoGrad no_grad;
  std::vector<Tensor> embeddings;
  for (const Tensor& view : views) {
    const Variable z = learner.teacher.forward(Variable(view.to(learner.activations)), kTraining);
    embeddings.push_back(z.data().to(learner.parameters.values().dtype()));
  }
  return embeddings;
}

Variable embed_student(const Learner& learner, const Tensor& view) {
  return to(learner.online.forward(Variable(view.to(learner.activations)), kTraining), learner.parameters.values().dtype());
}

void update(Learner& learner, const StepScalars& scalars) {
  learner.optimizer.step(scalars.rate());
  learner.ema.update(scalars.ema());
}

StepOutput training_step(Learner& learner, const Objective& objective, const std::vector<Tensor>& views,
                         const StepScalars& scalars, const OnPart& on_part) {
  on_part("teacher");
  learner.parameters.clear_grads();
  const std::vector<Tensor> teachers = embed_teachers(learner, views);
  StepOutput out;

  // The views whose activations live together: one, or all where the objective needs every student at once.
  const std::size_t together = objective.view_by_view() ? 1 : views.size();
  for (std::size_t first = 0; first < views.size(); first += together) {
    std::vector<Variable> embedded;
    std::vector<StudentView> students;
    on_part("student");
    for (std::size_t view = first; view < first + together; ++view) {
      embedded.push_back(embed_student(learner, views[view]));
      students.push_back({static_cast<std::int64_t>(view), embedded.back().data()});
    }
    on_part("objective");
    const ObjectiveResult result = objective(students, teachers, scalars);
    students.clear();
    on_part("backward");
    backward(embedded, result.gradients);
    out.records.insert(out.records.end(), result.records.begin(), result.records.end());
  }
  on_part("update");
  out.finite = all_finite(learner.parameters.gradients());
  update(learner, scalars);
  return out;
}

}  // namespace mec
