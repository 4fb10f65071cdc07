// train.accumulate: the gradient of the whole batch, in the memory of a part.
#include <doctest/doctest.h>

#include <cmath>

#include "mec/autograd/ops.h"
#include "ssl/tiny_run.h"

using namespace mec;
using namespace mec::test;

namespace {

const Device kReference = make_reference_device();

Tensor images(std::uint64_t seed, std::int64_t count, const Device& device, Dtype dtype) {
  return random({count, 10, 10, 1}, dtype, device, {.seed = seed});
}

std::vector<Tensor> views_of(std::size_t count, std::int64_t rows, const Device& device, Dtype dtype) {
  std::vector<Tensor> views;
  for (std::size_t view = 0; view < count; ++view) views.push_back(images(40 + view, rows, device, dtype));
  return views;
}

// The images, and behind them the same images in another order.
Tensor twice(const Tensor& images) {
  const std::int64_t n = images.dim(0);
  return cat({images, images.rows(n / 2, n), images.rows(0, n / 2)});
}

struct F64Step {
  explicit F64Step(PretrainSettings chosen, std::int64_t accumulate) : settings(std::move(chosen)) {
    settings.train.accumulate = accumulate;
    objective = make_objective(settings, device, Dtype::f64);
    objective->before_step(1, 1);  // SwAV's queue counts
    learner = std::make_unique<Learner>(learner_options(settings, Dtype::f64, objective->ema_teacher()), device);
  }

  // Returns the loss.
  double run(const std::vector<Tensor>& views) {
    const StepScalars scalars(Dtype::f64, device);
    scalars.set({.lr = 0, .ema = 1});
    const StepOutput out = training_step(*learner, *objective, views, scalars);
    std::vector<std::vector<double>> parts;
    for (const Tensor& part : out.metrics) parts.push_back(part.to_vector<double>());
    return objective->summarize(parts).front().second;
  }
  std::vector<double> gradients() const { return learner->parameters.gradients().to_vector<double>(); }

  const Device device = kReference;
  PretrainSettings settings;
  std::unique_ptr<Objective> objective;
  std::unique_ptr<Learner> learner;
};

// Of the largest expected value.
double distance(const std::vector<double>& values, const std::vector<double>& expected) {
  double largest = 0;
  for (const double value : expected) largest = std::max(largest, std::fabs(value));
  REQUIRE(largest > 0);
  return worst(values, expected) / largest;
}

// By the definition: the graphs of all parts of all views are kept, and the loss is that of the
// embeddings in one piece.
std::vector<double> gradients_by_one_graph(F64Step& step, const std::vector<Tensor>& views) {
  Learner& learner = *step.learner;
  std::vector<Variable> embedded;
  std::vector<StudentView> students;
  std::vector<Tensor> teachers;
  for (const Tensor& view : views) {
    std::vector<Variable> embeddings;
    std::vector<Tensor> projections, of_teacher;
    const std::int64_t rows = view.dim(0) / learner.accumulate;
    for (std::int64_t at = 0; at < view.dim(0); at += rows) {
      const StudentEmbedding student = embed_student(learner, view.rows(at, at + rows));
      embeddings.push_back(student.embedding);
      projections.push_back(student.projection);
      if (learner.teacher) of_teacher.push_back(embed_teachers(learner, {view.rows(at, at + rows)}).front());
    }
    embedded.push_back(cat(embeddings));
    students.push_back({static_cast<std::int64_t>(students.size()), embedded.back().data(), cat(projections)});
    teachers.push_back(learner.teacher ? cat(of_teacher) : students.back().projection);
  }
  const StepContext context{.predict = [&](const Tensor& projections) {
    const NoGrad no_grad;
    return learner.online.predictor.forward(Variable(projections), {.update_running = false}).data();
  }};
  learner.parameters.clear_grads();
  backward(embedded, (*step.objective)(students, teachers, context).gradients);
  return step.gradients();
}

}  // namespace

TEST_CASE("the gradient of a batch in parts is that of one graph through all of them, for each method") {
  for (const Method& method : methods()) {
    for (const std::int64_t accumulate : {2, 4}) {
      for (const std::size_t count : {std::size_t{2}, std::size_t{3}}) {
        CAPTURE(method.name);
        CAPTURE(accumulate);
        CAPTURE(count);
        F64Step step(tiny_settings_of(method.name), accumulate), reference(tiny_settings_of(method.name), accumulate);
        const std::vector<Tensor> views = views_of(count, 8, step.device, Dtype::f64);
        const std::vector<double> expected = gradients_by_one_graph(reference, views);
        step.run(views);
        CHECK(distance(step.gradients(), expected) < 1e-12);  // the order of sums over parts
        CHECK(step.objective->state().size() == reference.objective->state().size());
        for (std::size_t i = 0; i < step.objective->state().size(); ++i) {
          CHECK(distance(step.objective->state()[i].tensor.to_vector<double>(),
                         reference.objective->state()[i].tensor.to_vector<double>()) < 1e-12);
        }
      }
    }
  }
}

// Then batch norm has the same statistics in each part as in the whole.
TEST_CASE("two parts with the same images have the gradient of the batch at once, and its running statistics") {
  for (const Method& method : methods()) {
    CAPTURE(method.name);
    F64Step parts(tiny_settings_of(method.name), 2), once(tiny_settings_of(method.name), 1);
    std::vector<Tensor> views;
    for (const Tensor& view : views_of(2, 4, parts.device, Dtype::f64)) views.push_back(twice(view));
    CHECK(parts.run(views) == doctest::Approx(once.run(views)).epsilon(1e-12));
    CHECK(distance(parts.gradients(), once.gradients()) < 1e-10);  // and their cancellations
    const auto compare = [](Module& a, Module& b) {
      const std::vector<NamedBuffer> left = buffers_of(a), right = buffers_of(b);
      for (std::size_t i = 0; i < left.size(); ++i) {
        if (left[i].name.ends_with("running_var")) continue;  // unbiased, by the rows of a part
        CAPTURE(left[i].name);
        CHECK(worst(left[i].tensor.to_vector<double>(), right[i].tensor.to_vector<double>()) < 1e-12);
      }
    };
    compare(parts.learner->online, once.learner->online);
    if (parts.learner->teacher) compare(parts.learner->teacher->network, once.learner->teacher->network);
  }
}

TEST_CASE("replays of a recorded step in parts equal eager steps to the bit, for each method") { check_replayed_methods(4); }

namespace {

// The largest memory in use while f() runs, beside what was in use before.
template <class F> std::size_t memory_of(const Device& device, F f) {
  device->allocator().reset_high_water();
  const std::size_t before = device->allocator().stats().in_use;
  f();
  return device->allocator().stats().high_water - before;
}

PretrainSettings settings_for(const std::string& method, std::int64_t batch, std::int64_t accumulate) {
  PretrainSettings settings = tiny_settings_of(method);
  settings.train.batch = batch;
  settings.train.accumulate = accumulate;
  if (settings.method_settings.contains("queue")) settings.method_settings.at("queue") = static_cast<double>(batch);
  return settings;
}

std::size_t memory_of_step(const std::string& method, std::int64_t batch, std::int64_t accumulate) {
  const Device device = make_cpu_device();
  const PretrainSettings settings = settings_for(method, batch, accumulate);
  const auto objective = make_objective(settings, device);
  Learner learner(learner_options(settings, Dtype::f32, objective->ema_teacher()), device);
  const StepScalars scalars(Dtype::f32, device);
  scalars.set({.lr = 0.01, .ema = 0.9});
  const std::vector<Tensor> views = views_of(2, batch, device, Dtype::f32);
  training_step(learner, *objective, views, scalars);
  return memory_of(device, [&] { training_step(learner, *objective, views, scalars); });
}

// Of the objective, and of the embeddings of a whole batch.
std::size_t memory_of_objective(const std::string& method, std::int64_t batch) {
  const Device device = make_cpu_device();
  const PretrainSettings settings = settings_for(method, batch, 1);
  const auto objective = make_objective(settings, device);
  return memory_of(device, [&] {
    std::vector<StudentView> students;
    std::vector<Tensor> teachers;
    const std::int64_t width = settings.model.prototypes ? settings.model.prototypes : settings.model.dim;
    for (std::int64_t view = 0; view < 2; ++view) {
      const Tensor projection = random({batch, settings.model.dim}, Dtype::f32, device, {.seed = 60});
      students.push_back({view, random({batch, width}, Dtype::f32, device, {.seed = 61}), projection});
      teachers.push_back(objective->ema_teacher() ? random({batch, width}, Dtype::f32, device, {.seed = 62}) : projection);
    }
    (*objective)(students, teachers, {.predict = [&](const Tensor& rows) {
                   return matmul(rows, Tensor::zeros({settings.model.dim, width}, Dtype::f32, device));
                 }});
  });
}

}  // namespace

TEST_CASE("a batch in parts takes the memory of a part, beside the objective's of its embeddings") {
  for (const Method& method : methods()) {
    CAPTURE(method.name);
    const std::size_t once = memory_of_step(method.name, 128, 1), parts = memory_of_step(method.name, 128, 8),
                      part = memory_of_step(method.name, 16, 1), objective = memory_of_objective(method.name, 128);
    MESSAGE(once, " bytes at once, ", parts, " in 8 parts; a part ", part, ", the objective ", objective);
    CHECK(parts < part + objective);
    CHECK(parts < once / 4);
  }
}

TEST_CASE("a batch that has no such parts is refused before training, with the nearest number that it has") {
  for (const auto& [batch, accumulate, nearest] : {std::array{8, 3, 2}, {8, 8, 4}, {30, 29, 15}, {7, 2, 1}, {8, 1000, 4}}) {
    PretrainSettings settings = tiny_settings();
    settings.train.batch = batch;
    settings.train.accumulate = accumulate;
    CHECK_THROWS_WITH_AS(TrainPlan(settings, 10),
                         doctest::Contains(concat("train.accumulate is ", accumulate, ", but train.batch = ", batch, " has no ",
                                                  accumulate, " equal parts of two images or more; ", nearest, " would do")
                                               .c_str()),
                         ValueError);
    settings.train.accumulate = nearest;
    CHECK_NOTHROW(TrainPlan(settings, 10));
  }
  F64Step step(tiny_settings(), 3);
  CHECK_THROWS_WITH_AS(step.run(views_of(2, 8, step.device, Dtype::f64)), doctest::Contains("a batch of 8 images has no 3"),
                       ShapeError);
}
