#include "mec/ssl/training/step.h"

#include <algorithm>
#include <optional>
#include <utility>

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

// One for each part of a batch.
std::vector<Pass> passes(const Learner& learner, std::int64_t parts) {
  std::vector<Pass> all;
  for (std::int64_t part = 0; part < parts; ++part)
    all.push_back({.part = part, .parts = parts, .across = learner.across.get()});
  return all;
}

Tensor part_of(const Tensor& batch, const Pass& pass) {
  if (pass.parts == 1) return batch;
  const std::int64_t rows = batch.dim(0) / pass.parts;
  return batch.rows(pass.part * rows, (pass.part + 1) * rows);
}

Tensor whole(const std::vector<Tensor>& parts) { return parts.size() == 1 ? parts.front() : cat(parts); }

// Rows of all ranks. What several embeddings share, such as a projection that is a teacher, too, is
// gathered once.
class GatherOnce {
 public:
  explicit GatherOnce(Communicator& ranks) : ranks_(ranks) {}
  Tensor operator()(const Tensor& own) {
    const auto found = std::ranges::find_if(done_, [&](const auto& pair) { return pair.first.same_memory(own); });
    if (found != done_.end()) return found->second;
    return done_.emplace_back(own, ranks_.all_gather(own)).second;
  }

 private:
  Communicator& ranks_;
  std::vector<std::pair<Tensor, Tensor>> done_;
};

// Adds the gradients that this rank's rows have of the loss of all rows to those of the parameters,
// and returns the objective's metrics and the first view's projection. teachers: of an averaged
// teacher, this rank's rows; otherwise empty, and filled with the students' projections.
struct Gradients {
  Learner& learner;
  Objective& objective;
  const std::vector<Tensor>& views;
  const StepContext& context;
  const OnPart& on_part;

  StepOutput at_once(std::vector<Tensor>& teachers) const;
  StepOutput in_parts(std::vector<Tensor>& teachers) const;

 private:
  StudentView embed_without_graph(std::size_t view) const;
  // The objective of all ranks' rows, with the gradients of this rank's. Where the objective takes
  // the rows of all, the teachers are gathered once for all students.
  ObjectiveResult take_objective(std::vector<StudentView> students, std::vector<Tensor>& teachers) const;
  void last_backward() const {  // comes now: sums over ranks may begin
    if (learner.sums) learner.sums->begin();
  }
};

ObjectiveResult Gradients::take_objective(std::vector<StudentView> students, std::vector<Tensor>& teachers) const {
  on_part("objective");
  const Tensor& embedding = students.front().embedding;
  const std::int64_t own = embedding.dim(0);
  const int ranks = learner.ranks->size();
  const BatchRows rows(learner.ranks);
  StepContext here = context;
  if (objective.takes_own_rows({.rows = own * ranks, .width = embedding.dim(1), .ranks = ranks, .dtype = embedding.dtype()})) {
    here.rows = rows;
    return objective(students, teachers, here);
  }
  GatherOnce gather(*learner.ranks);
  for (StudentView& student : students) {
    student.embedding = gather(student.embedding);
    student.projection = gather(student.projection);
  }
  for (Tensor& teacher : teachers) {
    if (teacher.dim(0) == own) teacher = gather(teacher);
  }
  ObjectiveResult result = objective(students, teachers, here);
  for (Tensor& gradient : result.gradients) gradient = rows.own(gradient);
  return result;
}

StepOutput Gradients::at_once(std::vector<Tensor>& teachers) const {
  StepOutput out;
  // The views whose activations live together: one, or all where the objective needs every student
  // at once.
  const std::size_t together = objective.view_by_view() ? 1 : views.size();
  for (std::size_t first = 0; first < views.size(); first += together) {
    std::vector<Variable> embedded;
    std::vector<StudentView> students;
    on_part("student");
    for (std::size_t view = first; view < first + together; ++view) {
      const StudentEmbedding student = embed_student(learner, views[view], passes(learner, 1).front());
      embedded.push_back(student.embedding);
      students.push_back({static_cast<std::int64_t>(view), student.embedding.data(), student.projection});
      if (!learner.teacher) teachers.push_back(students.back().projection);
    }
    if (first == 0) out.projection = students.front().projection;
    const ObjectiveResult result = take_objective(std::move(students), teachers);
    on_part("backward");
    if (first + together == views.size()) last_backward();
    backward(embedded, result.gradients);
    out.metrics.insert(out.metrics.end(), result.metrics.begin(), result.metrics.end());
  }
  return out;
}

StepOutput Gradients::in_parts(std::vector<Tensor>& teachers) const {
  std::vector<StudentView> students;
  on_part("student");
  for (std::size_t view = 0; view < views.size(); ++view) {
    students.push_back(embed_without_graph(view));
    if (!learner.teacher) teachers.push_back(students.back().projection);
  }
  const Tensor projection = students.front().projection;
  const ObjectiveResult result = take_objective(std::move(students), teachers);
  for (std::size_t view = 0; view < views.size(); ++view) {
    for (Pass pass : passes(learner, learner.accumulate)) {
      on_part("student");
      pass.update_running = false;  // the first pass did
      const Variable embedding = embed_student(learner, part_of(views[view], pass), pass).embedding;
      on_part("backward");
      if (view + 1 == views.size() && pass.part + 1 == pass.parts) last_backward();
      backward({embedding}, {part_of(result.gradients[view], pass)});
    }
  }
  return {.metrics = result.metrics, .projection = projection, .finite = {}};
}

StudentView Gradients::embed_without_graph(std::size_t view) const {
  const NoGrad no_grad;
  std::vector<Tensor> embeddings, projections;
  for (const Pass& pass : passes(learner, learner.accumulate)) {
    const StudentEmbedding student = embed_student(learner, part_of(views[view], pass), pass);
    embeddings.push_back(student.embedding.data());
    projections.push_back(student.projection);
  }
  return {static_cast<std::int64_t>(view), whole(embeddings), whole(projections)};
}

}  // namespace

std::vector<Tensor> embed_teachers(const Learner& learner, const std::vector<Tensor>& views, std::int64_t parts) {
  const NoGrad no_grad;
  std::vector<Tensor> embeddings;
  for (const Tensor& view : views) {
    std::vector<Tensor> rows;
    for (const Pass& pass : passes(learner, parts)) {
      const Variable z = learner.teacher->network.forward(Variable(part_of(view, pass).to(learner.activations)), pass);
      rows.push_back(z.data().to(learner.parameters.values().dtype()));
    }
    embeddings.push_back(whole(rows));
  }
  return embeddings;
}

StudentEmbedding embed_student(const Learner& learner, const Tensor& view, const Pass& pass) {
  const Dtype dtype = learner.parameters.values().dtype();
  const Variable z = learner.online.project(Variable(view.to(learner.activations)), pass);
  return {to(learner.online.predictor.forward(z, pass), dtype), z.data().to(dtype)};
}

void update(Learner& learner, const StepScalars& scalars, const Tensor& when) {
  learner.optimizer->step(scalars.lr(), when);
  if (learner.teacher) learner.teacher->ema.update(scalars.ema(), when);
}

StepOutput training_step(Learner& learner, Objective& objective, const StepInput& input, const StepScalars& scalars,
                         const OnPart& on_part) {
  const std::vector<Tensor>& views = input.views;
  check<ValueError>(objective.ema_teacher() == static_cast<bool>(learner.teacher), "training_step: ", objective.name(),
                    objective.ema_teacher() ? " needs" : " has no use for",
                    " an averaged teacher; set LearnerOptions::ema_teacher "
                    "to what the objective says");
  check<ValueError>(objective.learns_from_labels() == static_cast<bool>(input.labels), "training_step: ", objective.name(),
                    objective.learns_from_labels() ? " learns from labels, but the batch has none"
                                                   : " learns without labels, but the batch has some");
  for (const Tensor& view : views) {
    check<ShapeError>(view.dim(0) % learner.accumulate == 0, "training_step: a batch of ", view.dim(0), " images has no ",
                      learner.accumulate, " equal parts (train.accumulate)");
  }
  std::optional<Rollback> rollback;
  if (learner.on_nonfinite == OnNonfinite::skip) rollback.emplace(learner, objective);
  std::vector<Tensor> teachers;
  if (learner.teacher) {
    on_part("teacher");
    teachers = embed_teachers(learner, views, learner.accumulate);
  }
  learner.parameters.clear_grads();
  if (learner.sums) learner.sums->forget();
  const StepContext context{.predict = [&](const Tensor& projections) { return predict(learner, projections); },
                            .labels = input.labels};
  const Gradients gradients{learner, objective, views, context, on_part};
  StepOutput out = learner.accumulate > 1 ? gradients.in_parts(teachers) : gradients.at_once(teachers);
  on_part("update");
  if (learner.sums) learner.sums->finish();
  out.finite = all_finite(learner.parameters.gradients());
  if (rollback) out.finite = rollback->unless_finite(out.finite, out.metrics);
  update(learner, scalars, rollback ? out.finite : Tensor());
  return out;
}

}  // namespace mec
