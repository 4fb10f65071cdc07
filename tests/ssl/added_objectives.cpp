// The regulariser around an objective, and the objective with components.
#include <doctest/doctest.h>

#include "mec/ssl/methods/mec.h"
#include "mec/ssl/methods/mec_mixture.h"
#include "mec/ssl/methods/regularized.h"
#include "mec/tensor/backends/wrappers/recording.h"
#include "ssl/coding_samples.h"

using namespace mec;
using namespace mec::test;

namespace {

struct Batch {
  std::vector<StudentView> students;
  std::vector<Tensor> teachers;

  Batch(const Device& device, std::int64_t m, std::int64_t d) {
    for (std::uint64_t view = 0; view < 2; ++view) {
      teachers.push_back(normal({m, d}, 10 + view, device));
      students.push_back({static_cast<std::int64_t>(view), add(teachers[view], normal({m, d}, 20 + view, device))});
    }
  }
};

std::vector<std::vector<double>> read(const std::vector<Tensor>& parts) {
  std::vector<std::vector<double>> out;
  for (const Tensor& part : parts) out.push_back(part.to_vector<double>());
  return out;
}

double metric(const Metrics& metrics, const std::string& name) {
  for (const auto& [key, value] : metrics) {
    if (key == name) return value;
  }
  FAIL("no metric " << name);
  return 0;
}

// The loss as a function of student `view`, all views together, against the gradient that the
// objective returns.
GradcheckResult check_student(Objective& objective, const Batch& batch, std::size_t view) {
  return check_gradient(
      [&](const Tensor& x) {
        std::vector<StudentView> students = batch.students;
        students[view].embedding = x;
        const ObjectiveResult result = objective(students, batch.teachers, {});
        const double loss = objective.summarize(read(result.metrics))[0].second;
        return ValueAndGradient{Tensor::full({1}, loss, Dtype::f64, x.device()), result.gradients[view]};
      },
      batch.students[view].embedding);
}

}  // namespace

TEST_CASE("the regulariser adds its weight times KL to the loss, and nothing else to the metrics") {
  const Device device = make_reference_device();
  const Batch batch(device, 6, 5);
  MecObjective alone({.eps2 = 8.0});
  const KlRegularizerSettings settings{.weight = 0.3, .bandwidth = 0.1, .components = 4, .variance = 0.2};
  RegularizedObjective objective(std::make_unique<MecObjective>(MecSettings{.eps2 = 8.0}), settings, 5, Dtype::f64, device);
  CHECK(objective.name() == "mec+mixture_kl");
  CHECK(objective.view_by_view());

  const Metrics plain = alone.summarize(read(alone(batch.students, batch.teachers, {}).metrics));
  const Metrics metrics = objective.summarize(read(objective(batch.students, batch.teachers, {}).metrics));
  double kl = 0;
  const DiagonalMixture mixture = sphere_mixture(4, 5, 0.2, 0, Dtype::f64, device);
  for (const StudentView& student : batch.students)
    kl += kernel_density_kl(student.embedding, mixture, {.bandwidth = 0.1}, false).value.item() / 2;
  CHECK(metrics[0].first == "loss");
  CHECK(metric(metrics, "mixture_kl") == doctest::Approx(kl).epsilon(kRounding));
  CHECK(metric(metrics, "loss") == doctest::Approx(metric(plain, "loss") + 0.3 * kl).epsilon(kRounding));
  for (const auto& [name, value] : plain) {
    if (name != "loss") CHECK(metric(metrics, name) == value);
  }
}

TEST_CASE("view by view, the regularised loss is the same as all views at once") {
  const Device device = make_reference_device();
  const Batch batch(device, 6, 5);
  RegularizedObjective objective(std::make_unique<MecObjective>(MecSettings{.eps2 = 8.0}), {.weight = 0.3}, 5, Dtype::f64, device);
  const ObjectiveResult together = objective(batch.students, batch.teachers, {});
  std::vector<Tensor> apart;
  for (std::size_t view = 0; view < 2; ++view) {
    const ObjectiveResult one = objective({batch.students[view]}, batch.teachers, {});
    apart.insert(apart.end(), one.metrics.begin(), one.metrics.end());
    CHECK(largest_difference(one.gradients[0], together.gradients[view]) == 0);
  }
  const Metrics all = objective.summarize(read(together.metrics)), parts = objective.summarize(read(apart));
  for (const auto& [name, value] : all) CHECK(metric(parts, name) == doctest::Approx(value).epsilon(kRounding));
}

TEST_CASE("gradients of the regularised and of the mixture objective agree with central differences of their losses") {
  const Device device = make_reference_device();
  const Batch batch(device, 6, 5);
  for (const KlEstimate estimate : {KlEstimate::variational, KlEstimate::product, KlEstimate::lower, KlEstimate::upper}) {
    const KlRegularizerSettings settings{.weight = 0.7, .estimate = estimate, .bandwidth = 0.2, .components = 3};
    RegularizedObjective objective(std::make_unique<MecObjective>(MecSettings{.eps2 = 8.0}), settings, 5, Dtype::f64, device);
    for (const std::size_t view : {0, 1}) {
      const GradcheckResult result = check_student(objective, batch, view);
      CHECK_MESSAGE(result.ok, result.message);
    }
  }
  for (const MixtureForm form : {MixtureForm::finite, MixtureForm::limit}) {
    MecMixtureObjective objective({.mixture = {.pair = {.order = 4}, .form = form}, .prototypes = {.components = 3}, .eps2 = 8.0}, 5,
                                  Dtype::f64, device);
    for (const std::size_t view : {0, 1}) {
      const GradcheckResult result = check_student(objective, batch, view);
      CHECK_MESSAGE(result.ok, result.message);
    }
  }
}

TEST_CASE("the mixture objective with one component is MEC") {
  const Device device = make_reference_device();
  const Batch batch(device, 6, 9);
  for (const bool exact : {true, false}) {
    MecObjective mec({.exact = exact, .eps2 = 7.0});
    MecMixtureObjective mixture({.mixture = {.pair = {.exact = exact, .adapt = true}}, .prototypes = {.components = 1}, .eps2 = 7.0}, 9,
                                Dtype::f64, device);
    const ObjectiveResult a = mec(batch.students, batch.teachers, {});
    const ObjectiveResult b = mixture(batch.students, batch.teachers, {});
    const Metrics of_mec = mec.summarize(read(a.metrics)), of_mixture = mixture.summarize(read(b.metrics));
    for (const char* name : {"loss", "coding_length", "spectral_norm"})
      CHECK(metric(of_mixture, name) == doctest::Approx(metric(of_mec, name)).epsilon(kRounding));
    for (std::size_t view = 0; view < 2; ++view) CHECK(largest_difference(a.gradients[view], b.gradients[view]) < kRounding);
    CHECK(std::fabs(metric(of_mixture, "membership")) < kRounding);
  }
}

TEST_CASE("a step with the regulariser and the mixture objective can be recorded") {
  const auto recorder = std::make_shared<RecordingBackend>(make_reference_device());
  const Device device = recorder;
  const Batch batch(device, 6, 5);
  RegularizedObjective objective(
      std::make_unique<MecMixtureObjective>(MecMixtureSettings{.prototypes = {.components = 3}, .eps2 = 8.0}, 5, Dtype::f64, device),
      {.weight = 0.1}, 5, Dtype::f64, device);
  const ObjectiveResult eager = objective(batch.students, batch.teachers, {});
  recorder->begin();
  const ObjectiveResult recorded = objective(batch.students, batch.teachers, {});
  recorder->end();
  recorder->replay();
  CHECK(largest_difference(eager.gradients[1], recorded.gradients[1]) == 0);
  CHECK(read(eager.metrics) == read(recorded.metrics));
}

TEST_CASE("wrong settings of the added objectives are refused") {
  const Device device = make_reference_device();
  const auto inner = [] { return std::make_unique<MecObjective>(MecSettings{.eps2 = 8.0}); };
  CHECK_THROWS_AS(RegularizedObjective(inner(), {.weight = -1}, 5, Dtype::f64, device), ValueError);
  CHECK_THROWS_AS(RegularizedObjective(inner(), {.bandwidth = 0}, 5, Dtype::f64, device), ValueError);
  CHECK_THROWS_AS(RegularizedObjective(inner(), {.components = 0}, 5, Dtype::f64, device), ValueError);
  CHECK_THROWS_AS(MecMixtureObjective({.prototypes = {.temperature = 0}}, 5, Dtype::f64, device), ValueError);
}
