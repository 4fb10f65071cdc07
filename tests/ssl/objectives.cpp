// Every method but MEC, which has files of its own: one row each, from which its golden comparison,
// gradient check and the mean over pairs of views follow.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "mec/autograd/gradcheck.h"
#include "mec/autograd/ops.h"
#include "mec/nn/prototypes.h"
#include "mec/ssl/methods/mec.h"
#include "mec/ssl/methods/methods.h"
#include "mec/tensor/backend.h"
#include "mec/tensor/devices.h"
#include "mec/tensor/ops.h"
#include "support/golden.h"

using namespace mec;
using namespace mec::test;

namespace {

struct Row {
  const char* method;
  bool plain_pairs = true;  // the loss of a step is the mean of pair() over the views
};
constexpr Row kRows[] = {
    {"simsiam"}, {"barlow-twins"}, {"simclr"}, {"moco-v2"}, {"swav", false}, {"byol"}, {"vicreg"},
};

// Rounding of sums of some hundred terms of size 1 in f64.
constexpr double kRounding = 1e-13;

Tensor normal(const Shape& shape, std::uint64_t seed, const Device& device) {
  return random(shape, Dtype::f64, device, {.seed = seed});
}

// p·z + noise, as in training; scores stay cosines.
struct Pair {
  Tensor p, z;
};
Pair agreeing_pair(const Shape& shape, std::uint64_t seed, const Device& device) {
  const Tensor z = scale(normal(shape, seed, device), 0.3);
  return {add(z, scale(normal(shape, seed + 1, device), 0.2)), z};
}

PretrainSettings settings_of(const std::string& method, std::int64_t d) {
  PretrainSettings settings;
  choose_method(settings, method);
  settings.model.dim = d;
  settings.train.batch = 1;  // any queue is a multiple of it
  if (method == "moco-v2") settings.method_settings.at("queue") = 12;
  return settings;
}

std::unique_ptr<PairObjective> make(const std::string& method, std::int64_t d, const Device& device) {
  return make_objective(settings_of(method, d), device, Dtype::f64);
}

std::unique_ptr<PairObjective> make(const std::string& method, const Golden& golden, Dtype dtype, const Device& device) {
  PretrainSettings settings = settings_of(method, golden.integer("d"));
  for (const MethodSetting& number : find_method(method).settings) {
    if (number.of_pair) settings.method_settings.at(number.name) = golden.number(number.name);
  }
  if (!find_method(method).pair_reads_queue) return make_objective(settings, device, dtype);
  const Tensor queue = golden.at("queue", dtype);
  settings.method_settings.at("queue") = static_cast<double>(queue.dim(0));
  auto objective = make_objective(settings, device, dtype);
  objective->state().at(0).tensor.copy_from(queue);
  return objective;
}

void check_golden(const Golden& golden, const char* name, const Tensor& ours) {
  const Comparison same = golden.compare(name, ours);
  CHECK_MESSAGE(same.ok, same.message);
}

double largest_difference(const Tensor& a, const Tensor& b) {
  const auto x = a.to_vector<double>(), y = b.to_vector<double>();
  REQUIRE(x.size() == y.size());
  double worst = 0;
  for (std::size_t i = 0; i < x.size(); ++i) worst = std::max(worst, std::fabs(x[i] - y[i]));
  return worst;
}

double loss_of(const PairResult& result) { return result.metrics.to_vector<double>().front(); }

double loss_of(const Objective& objective, const ObjectiveResult& result) {
  std::vector<std::vector<double>> parts;
  for (const Tensor& part : result.metrics) parts.push_back(part.to(Dtype::f64).to_vector<double>());
  return objective.summarize(parts).front().second;
}

std::vector<StudentView> students_of(const std::vector<Tensor>& embeddings, const std::vector<Tensor>& projections) {
  std::vector<StudentView> students;
  for (std::size_t v = 0; v < embeddings.size(); ++v) {
    students.push_back({static_cast<std::int64_t>(v), embeddings[v], projections[v]});
  }
  return students;
}

}  // namespace

TEST_CASE("every method of the table has a row of tests") {
  for (const Method& method : methods()) {
    CAPTURE(method.name);
    CHECK((method.name == "mec" || std::ranges::any_of(kRows, [&](const Row& row) { return row.method == method.name; })));
  }
}

TEST_CASE("loss and both gradients of each method are PyTorch's") {
  for (const Row& row : kRows) {
    for (const char* sizes : {"m_below_d", "m_above_d"}) {
      for (const auto& [name, dtype] : kGoldenSettings) {
        const Device device = make_device(name);
        CAPTURE(row.method);
        CAPTURE(sizes);
        CAPTURE(device->name());
        const Golden golden(concat("objective_", row.method, "_", sizes), device);
        const auto objective = make(row.method, golden, dtype, device);
        const PairResult result = objective->pair(golden.at("p", dtype), golden.at("z", dtype), {.dp = true, .dz = true});
        CHECK(result.metrics.numel() == static_cast<std::int64_t>(objective->metrics().size()));
        check_golden(golden, "loss", result.metrics.segment(0, {1}));
        check_golden(golden, "grad_p", result.dp);
        check_golden(golden, "grad_z", result.dz);
      }
    }
  }
}

TEST_CASE("the gradients of each method agree with central differences") {
  const Device device = make_reference_device();
  for (const Row& row : kRows) {
    if (!row.plain_pairs) continue;  // SwAV: below
    for (const Shape& shape : {Shape{5, 7}, Shape{7, 4}}) {
      CAPTURE(row.method);
      const auto objective = make(row.method, shape[1], device);
      const auto loss = [&](const std::vector<Variable>& x) {
        const PairResult pair = objective->pair(x[0].data(), x[1].data(), {.weight = 0.5, .dp = true, .dz = true});
        return record("pair", pair.metrics.segment(0, {1}), x, [pair](const Tensor& dy, const Needs&) -> Grads {
          return {scale(pair.dp, dy), scale(pair.dz, dy)};
        });
      };
      const auto [p, z] = agreeing_pair(shape, 21, device);
      const GradcheckResult result = gradcheck(loss, {p, z});
      CHECK_MESSAGE(result.ok, result.message);
    }
  }
}

TEST_CASE("swav: the gradients of views that only predict agree with central differences") {
  // Assignments carry no gradient, so the assigning views, which move them, are left alone.
  const Device device = make_reference_device();
  const auto objective = make("swav", 6, device);
  const auto pair = agreeing_pair({5, 8}, 31, device);
  const auto [c, e] = agreeing_pair({5, 8}, 33, device);
  const auto loss = [&](const std::vector<Variable>& x) {
    const std::vector<Tensor> views{pair.p, pair.z, x[0].data(), x[1].data()};
    const ObjectiveResult result = (*objective)(students_of(views, views), views, {});
    const Tensor value = Tensor::full({1}, loss_of(*objective, result), Dtype::f64, device);
    return record("swav", value, x, [g = result.gradients](const Tensor& dy, const Needs&) -> Grads {
      return {scale(g[2], dy), scale(g[3], dy)};
    });
  };
  const GradcheckResult result = gradcheck(loss, {c, e});
  CHECK_MESSAGE(result.ok, result.message);
}

TEST_CASE("swav with four views, without and with its queue, is PyTorch's") {
  for (const auto& [name, dtype] : {std::pair{"reference", Dtype::f64}, std::pair{"cpu", Dtype::f32}}) {
    const Device device = make_device(name);
    const Golden golden("objective_swav_views", device);
    const std::int64_t views = golden.integer("views"), m = golden.integer("m"), d = golden.integer("d");
    const Tensor all = golden.at("projections", dtype), queues = golden.at("queues", dtype);
    Prototypes prototypes({.in = d, .count = golden.integer("K")}, {device, dtype});
    prototypes.weight.value.assign(golden.at("prototypes", dtype));
    const auto predict = [&](const Tensor& z) { return prototypes.forward(Variable(z), kTraining).data(); };
    std::vector<Tensor> projections, scores;
    for (std::int64_t v = 0; v < views; ++v) {
      projections.push_back(all.segment(v * m * d, {m, d}));
      scores.push_back(predict(projections.back()));
    }
    PretrainSettings settings = settings_of("swav", d);
    for (const char* number : {"temperature", "epsilon", "rounds"}) settings.method_settings.at(number) = golden.number(number);
    settings.method_settings.at("queue") = static_cast<double>(queues.dim(1));
    settings.method_settings.at("queue_epoch") = 2;
    settings.train.batch = m;
    const auto objective = make_objective(settings, device, dtype);
    for (const bool with_queue : {false, true}) {
      CAPTURE(with_queue);
      for (int a = 0; a < 2; ++a) {
        objective->state().at(static_cast<std::size_t>(a)).tensor.copy_from(queues.segment(a * queues.numel() / 2, {3 * m, d}));
      }
      objective->before_step(with_queue ? 20 : 19, 10);  // the second epoch ends
      const ObjectiveResult result = (*objective)(students_of(scores, projections), projections, {.predict = predict});
      const std::string prefix = with_queue ? "queue." : "plain.";
      check_golden(golden, (prefix + "loss").c_str(), Tensor::full({1}, loss_of(*objective, result), dtype, device));
      Tensor gradients({views, m, golden.integer("K")}, dtype, device);
      for (std::int64_t v = 0; v < views; ++v) {
        gradients.segment(v * scores[0].numel(), scores[0].shape()).copy_from(result.gradients[static_cast<std::size_t>(v)]);
      }
      check_golden(golden, (prefix + "gradients").c_str(), gradients);
      // The queue moved up by a batch, and holds this one's projections last.
      const Tensor queue = objective->state().at(1).tensor;
      CHECK(queue.rows(2 * m, 3 * m).to(Dtype::f64).to_vector<double>() == projections[1].to(Dtype::f64).to_vector<double>());
      CHECK(queue.rows(0, 2 * m).to(Dtype::f64).to_vector<double>() ==
            queues.segment(queues.numel() / 2 + m * d, {2 * m, d}).to(Dtype::f64).to_vector<double>());
    }
  }
}

TEST_CASE("a step's loss is the mean of its pairs, for two views and three") {
  const Device device = make_reference_device();
  for (const Row& row : kRows) {
    if (!row.plain_pairs) continue;
    for (const std::size_t count : {std::size_t{2}, std::size_t{3}}) {
      CAPTURE(row.method);
      const auto objective = make(row.method, 5, device);
      std::vector<Tensor> students, teachers;
      for (std::uint64_t v = 0; v < count; ++v) {
        const auto [p, z] = agreeing_pair({6, 5}, 40 + 2 * v, device);
        students.push_back(p);
        teachers.push_back(z);
      }
      // Symmetric methods meet students alone; directed ones students and teachers.
      const bool symmetric = !objective->ema_teacher() && std::string(row.method) != "simsiam";
      double expected = 0;
      Tensor gradient = Tensor::zeros({6, 5}, Dtype::f64, device);  // of the first student
      const auto pairs = static_cast<double>(count * (count - 1));
      for (std::size_t v = 0; v < count; ++v) {
        for (std::size_t w = 0; w < count; ++w) {
          if (v == w) continue;
          const PairResult pair = objective->pair(students[v], symmetric ? students[w] : teachers[w], {.weight = 1 / pairs});
          expected += loss_of(pair);
          if (v == 0) add_into(scale(pair.dp, symmetric ? 2.0 : 1.0), gradient);
        }
      }
      const ObjectiveResult result = (*objective)(students_of(students, students), teachers, {});
      CHECK(loss_of(*objective, result) == doctest::Approx(expected).epsilon(kRounding));
      CHECK(largest_difference(result.gradients.front(), gradient) < kRounding);
      CHECK(result.gradients.size() == count);
    }
  }
}

TEST_CASE("MEC of order 1 is SimSiam, in value and gradients") {
  const Device device = make_reference_device();
  const auto simsiam = make("simsiam", 6, device);
  for (const Shape& shape : {Shape{4, 9}, Shape{9, 4}}) {
    const auto [p, z] = agreeing_pair(shape, 5, device);
    const PairResult expected = simsiam->pair(p, z, {.dp = true, .dz = true});
    for (const double eps2 : {0.5, 64.0}) {
      const PairResult ours = MecObjective({.order = 1, .eps2 = eps2}).pair(p, z, {.dp = true, .dz = true});
      CHECK(loss_of(ours) == doctest::Approx(loss_of(expected)).epsilon(kRounding));
      CHECK(largest_difference(ours.dp, expected.dp) < kRounding);
      CHECK(largest_difference(ours.dz, expected.dz) < kRounding);
    }
  }
}

TEST_CASE("MEC of order 2 on the feature side has the form of Barlow Twins") {
  // −μT₂(C) = (μ/2)[Σ(1 − C_ii)² + Σ_{i≠j} C_ij C_ji] − μd/2, for the d×d matrix C = λZᵀP.
  const Device device = make_reference_device();
  for (const Shape& shape : {Shape{4, 7}, Shape{9, 3}}) {
    const auto [p, z] = agreeing_pair(shape, 7, device);
    const double m = static_cast<double>(shape[0]), d = static_cast<double>(shape[1]), mu = (m + d) / 2, eps2 = 0.9 * d;
    const double lambda = coding_lambda(shape[0], shape[1], eps2);
    const auto c = scale(matmul(normalize_rows(z).y, normalize_rows(p).y, {.trans_a = true}), lambda).to_vector<double>();
    const auto n = static_cast<std::size_t>(shape[1]);
    double form = 0;
    for (std::size_t i = 0; i < n; ++i) {
      for (std::size_t j = 0; j < n; ++j) form += i == j ? std::pow(1 - c[i * n + i], 2) : c[i * n + j] * c[j * n + i];
    }
    const CodingResult ours =
        coding_length_pair(p, z, Tensor::full({1}, lambda, Dtype::f64, device), {.order = 2, .side = Side::feature});
    const double minus_length = -at(ours.metrics.to_vector<double>(), CodingMetric::coding_length);
    CHECK(minus_length == doctest::Approx(mu / 2 * form - mu * d / 2).epsilon(kRounding));
  }
}

TEST_CASE("orthonormal embeddings have the losses that can be worked out by hand") {
  const Device device = make_reference_device();
  const std::int64_t m = 4;
  const Tensor eye = matrix_polynomial({normal({m, m}, 1, device)}, {1.0, 0.0});
  const Tensor opposite = scale(eye, -1.0);
  CHECK(loss_of(make("simsiam", m, device)->pair(eye, eye, {})) == doctest::Approx(-1));
  CHECK(loss_of(make("byol", m, device)->pair(eye, opposite, {})) == doctest::Approx(8));  // 2·‖p − z‖² = 2·4
  // One similarity of 1 and 2m − 2 of 0, over T = 0.2.
  CHECK(loss_of(make("simclr", m, device)->pair(eye, eye, {})) == doctest::Approx(std::log(std::exp(5.0) + 2.0 * m - 2) - 5));
  const auto moco = make("moco-v2", m, device);
  const Tensor queue = moco->state().at(0).tensor;
  for (std::int64_t at = 0; at < 12; at += m) queue.rows(at, at + m).copy_from(eye);
  CHECK(loss_of(moco->pair(eye, eye, {})) == doctest::Approx(std::log(4 * std::exp(5.0) + 9) - 5));
  // Four prototypes, each one image's: assigned all but surely, and so predicted, with T = 0.1.
  CHECK(loss_of(make("swav", m, device)->pair(eye, eye, {})) == doctest::Approx(std::log1p(3 * std::exp(-10.0))).epsilon(1e-4));
}

TEST_CASE("a queue holds the last batches, the oldest first, and a query never meets its own batch in it") {
  const Device device = make_reference_device();
  PretrainSettings settings = settings_of("moco-v2", 3);
  settings.train.batch = 4;
  const auto objective = make_objective(settings, device, Dtype::f64);
  std::vector<Tensor> keys;
  for (std::uint64_t step = 0; step < 4; ++step) {
    const auto [p, z] = agreeing_pair({4, 3}, 60 + 2 * step, device);
    const std::vector<Tensor> teachers{p, z};
    const Tensor before = objective->state().at(0).tensor.clone();
    for (std::int64_t view = 0; view < 2; ++view) {  // one at a time, as a step does
      CHECK(largest_difference(objective->state().at(0).tensor, before) == 0);
      (*objective)({{view, p, p}}, teachers, {});
    }
    keys.push_back(normalize_rows(z).y);
  }
  for (std::int64_t block = 0; block < 3; ++block) {
    CHECK(largest_difference(objective->state().at(0).tensor.rows(4 * block, 4 * block + 4),
                             keys[static_cast<std::size_t>(block) + 1]) == 0);
  }
}

TEST_CASE("one embedding for all images shows as a spread of 0") {
  const Device device = make_reference_device();
  const auto objective = make("simsiam", 5, device);
  const auto spread = [&](const Tensor& x) {
    const std::vector<Tensor> views{x, x};
    const ObjectiveResult result = (*objective)(students_of(views, views), views, {});
    std::vector<std::vector<double>> parts;
    for (const Tensor& part : result.metrics) parts.push_back(part.to_vector<double>());
    const Metrics metrics = objective->summarize(parts);
    REQUIRE(metrics.back().first == "embedding_std");
    return metrics.back().second;
  };
  CHECK(spread(Tensor::full({300, 5}, 0.7, Dtype::f64, device)) < 1e-7);
  CHECK(spread(normal({300, 5}, 3, device)) == doctest::Approx(1).epsilon(0.02));
}

TEST_CASE("wrong input to a method is refused with both values") {
  const Device device = make_reference_device();
  const Tensor p = normal({4, 6}, 1, device);
  for (const Row& row : kRows) {
    CAPTURE(row.method);
    const auto objective = make(row.method, 6, device);
    CHECK_THROWS_WITH_AS(objective->pair(p, normal({4, 5}, 1, device), {}), doctest::Contains(row.method), ShapeError);
    CHECK_THROWS_AS(objective->pair(p, p.to(Dtype::f32), {}), DtypeError);
    CHECK_THROWS_WITH_AS((*objective)({{0, p, p}}, {p}, {}), doctest::Contains("a pair needs two views"), ShapeError);
  }
  CHECK_THROWS_AS(make("moco-v2", 5, device)->pair(p, p, {}), ShapeError);
  CHECK_THROWS_WITH_AS(find_method("dino"), doctest::Contains("method is one of mec, simsiam, "), ValueError);
  PretrainSettings settings = settings_of("moco-v2", 6);
  settings.method_settings.at("queue") = 100;
  settings.train.batch = 8;
  CHECK_THROWS_WITH_AS(make_objective(settings, device), doctest::Contains("100 and 8; 96 would do"), ValueError);
  settings.method_settings.at("queue") = 96;
  settings.method_settings.at("temperature") = 0;
  CHECK_THROWS_WITH_AS(make_objective(settings, device), doctest::Contains("moco-v2.temperature lies in"), ValueError);
  settings = settings_of("swav", 6);
  settings.train.batch = 8;
  settings.method_settings.at("queue") = 12;
  CHECK_THROWS_WITH_AS(make_objective(settings, device), doctest::Contains("swav.queue is a multiple"), ValueError);
}
