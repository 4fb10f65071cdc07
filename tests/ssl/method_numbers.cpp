// Each number of a method, far from its default and each another, against its paper's
// formula in plain loops; and the defaults.
#include "mec/ssl/methods/methods.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "mec/tensor/devices.h"
#include "mec/tensor/ops.h"

using namespace mec;

namespace {

using Matrix = std::vector<std::vector<double>>;
using Numbers = std::map<std::string, double>;

Matrix matrix_of(const Tensor& x) {
  const auto flat = x.to_vector<double>();
  const auto width = static_cast<std::ptrdiff_t>(x.dim(1));
  Matrix rows;
  for (auto at = flat.begin(); at != flat.end(); at += width) rows.emplace_back(at, at + width);
  return rows;
}
double dot(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}
Matrix unit(Matrix rows) {
  for (auto& row : rows) {
    const double length = std::sqrt(dot(row, row));
    for (double& value : row) value /= length;
  }
  return rows;
}
// −log of the softmax of logits at `own`.
double entropy(const std::vector<double>& logits, std::size_t own) {
  double sum = 0;
  for (const double logit : logits) sum += std::exp(logit - logits[own]);
  return std::log(sum);
}
std::vector<double> column(const Matrix& rows, std::size_t j) {
  std::vector<double> values;
  for (const auto& row : rows) values.push_back(row[j]);
  return values;
}
// Less its mean.
std::vector<double> centred(std::vector<double> values) {
  double mean = 0;
  for (const double value : values) mean += value / static_cast<double>(values.size());
  for (double& value : values) value -= mean;
  return values;
}

double simclr(const Matrix& p, const Matrix& z, const Matrix&, const Numbers& n) {
  Matrix all = unit(p);
  for (const auto& row : unit(z)) all.push_back(row);
  const std::size_t m = p.size();
  double loss = 0;
  for (std::size_t i = 0; i < 2 * m; ++i) {
    std::vector<double> logits;
    std::size_t own = 0;
    for (std::size_t j = 0; j < 2 * m; ++j) {
      if (j == (i + m) % (2 * m)) own = logits.size();
      if (j != i) logits.push_back(dot(all[i], all[j]) / n.at("temperature"));
    }
    loss += entropy(logits, own) / static_cast<double>(2 * m);
  }
  return loss;
}

double moco(const Matrix& p, const Matrix& z, const Matrix& queue, const Numbers& n) {
  const Matrix q = unit(p), k = unit(z);
  double loss = 0;
  for (std::size_t i = 0; i < q.size(); ++i) {
    std::vector<double> logits{dot(q[i], k[i]) / n.at("temperature")};
    for (const auto& key : queue) logits.push_back(dot(q[i], key) / n.at("temperature"));
    loss += entropy(logits, 0) / static_cast<double>(q.size());
  }
  return loss;
}

double barlow_twins(const Matrix& p, const Matrix& z, const Matrix&, const Numbers& n) {
  const auto m = static_cast<double>(p.size());
  const auto standardized = [&](const Matrix& rows, std::size_t j) {
    std::vector<double> values = centred(column(rows, j));
    const double deviation = std::sqrt(dot(values, values) / m + 1e-5);
    for (double& value : values) value /= deviation;
    return values;
  };
  double on = 0, off = 0;
  for (std::size_t i = 0; i < p[0].size(); ++i) {
    for (std::size_t j = 0; j < p[0].size(); ++j) {
      const double c = dot(standardized(p, i), standardized(z, j)) / m;
      (i == j ? on : off) += i == j ? (1 - c) * (1 - c) : c * c;
    }
  }
  return n.at("scale") * (on + n.at("lambda") * off);
}

double vicreg(const Matrix& p, const Matrix& z, const Matrix&, const Numbers& n) {
  const auto m = static_cast<double>(p.size()), d = static_cast<double>(p[0].size());
  double invariance = 0, variance = 0, covariance = 0;
  for (std::size_t i = 0; i < p.size(); ++i) {
    for (std::size_t j = 0; j < p[i].size(); ++j)
      invariance += std::pow(p[i][j] - z[i][j], 2) / (m * d);
  }
  for (const Matrix* view : {&p, &z}) {
    for (std::size_t i = 0; i < view->front().size(); ++i) {
      const auto x = centred(column(*view, i));
      variance += std::max(0.0, 1 - std::sqrt(dot(x, x) / (m - 1) + 1e-4)) / d;
      for (std::size_t j = 0; j < view->front().size(); ++j) {
        if (i != j) covariance += std::pow(dot(x, centred(column(*view, j))) / (m - 1), 2) / d;
      }
    }
  }
  return n.at("invariance") * invariance + n.at("variance") * variance +
         n.at("covariance") * covariance;
}

// Rows and columns of e^{s/ε} in turn: columns of equal sums first, then rows of sum 1.
Matrix sinkhorn(const Matrix& scores, const Numbers& n) {
  Matrix q = scores;
  for (auto& row : q) {
    for (double& value : row) value = std::exp(value / n.at("epsilon"));
  }
  for (int round = 0; round < static_cast<int>(n.at("rounds")); ++round) {
    for (std::size_t j = 0; j < q[0].size(); ++j) {
      double sum = 0;
      for (const auto& row : q) sum += row[j];
      for (auto& row : q) row[j] /= sum;
    }
    for (auto& row : q) {
      double sum = 0;
      for (const double value : row) sum += value;
      for (double& value : row) value /= sum;
    }
  }
  return q;
}

double swav(const Matrix& p, const Matrix& z, const Matrix&, const Numbers& n) {
  const auto one_way = [&](const Matrix& predicting, const Matrix& assigning) {
    const Matrix q = sinkhorn(assigning, n);
    double loss = 0;
    for (std::size_t i = 0; i < q.size(); ++i) {
      std::vector<double> logits = predicting[i];
      for (double& logit : logits) logit /= n.at("temperature");
      for (std::size_t k = 0; k < logits.size(); ++k) loss += q[i][k] * entropy(logits, k);
    }
    return loss / static_cast<double>(q.size());
  };
  return (one_way(p, z) + one_way(z, p)) / 2;
}

struct Formula {
  const char* method;
  Numbers numbers;  // all of the method's that a pair depends on
  double (*loss)(const Matrix& p, const Matrix& z, const Matrix& queue, const Numbers& numbers);
};
const std::vector<Formula> kFormulas{
    {"simclr", {{"temperature", 0.7}}, simclr},
    {"moco-v2", {{"temperature", 0.6}}, moco},
    {"barlow-twins", {{"lambda", 0.3}, {"scale", 0.7}}, barlow_twins},
    {"vicreg", {{"invariance", 3}, {"variance", 7}, {"covariance", 11}}, vicreg},
    {"swav", {{"temperature", 0.4}, {"epsilon", 0.8}, {"rounds", 2}}, swav},
};

}  // namespace

TEST_CASE("a method's numbers are those of its paper's formula, each at its own place") {
  const Device device = make_reference_device();
  const Tensor p = random({7, 5}, Dtype::f64, device, {.scale = 0.4, .seed = 1});
  const Tensor z = random({7, 5}, Dtype::f64, device, {.scale = 0.4, .seed = 2});
  for (const Method& method : methods()) {
    if (method.name == "mec") continue;  // its own goldens have them all
    const auto formula = std::ranges::find(kFormulas, method.name, &Formula::method);
    PretrainSettings settings;
    choose_method(settings, method.name);
    settings.model.dim = 5;
    settings.train.batch = 7;
    if (settings.method_settings.contains("queue")) settings.method_settings.at("queue") = 14;
    for (const MethodSetting& number : method.settings) {
      if (!number.of_pair) continue;
      const bool known = formula != kFormulas.end() && formula->numbers.contains(number.name);
      REQUIRE_MESSAGE(known, method.name, ".", number.name, " is in no formula here");
      settings.method_settings.at(number.name) = formula->numbers.at(number.name);
    }
    if (formula == kFormulas.end()) continue;
    CAPTURE(method.name);
    const auto objective = make_objective(settings, device, Dtype::f64);
    const auto state = objective->state();
    const Matrix queue = method.pair_reads_queue ? matrix_of(state.at(0).tensor) : Matrix{};
    const double expected = formula->loss(matrix_of(p), matrix_of(z), queue, formula->numbers);
    const double loss = objective->pair(p, z, {.dp = false}).metrics.to_vector<double>().front();
    CHECK(loss == doctest::Approx(expected).epsilon(1e-9));
  }
}

TEST_CASE("moco's queue starts from the seed") {
  const Device device = make_reference_device();
  PretrainSettings settings;
  choose_method(settings, "moco-v2");
  settings.model.dim = 4;
  settings.train.batch = 2;
  settings.method_settings.at("queue") = 6;
  settings.train.seed = 5;
  const Tensor drawn =
      random({6, 4}, Dtype::f64, device,
             {.seed = 5, .stream = {0, static_cast<std::uint32_t>(Purpose::queue) << 16, 0}});
  const auto objective = make_objective(settings, device, Dtype::f64);
  const auto queue = objective->state().at(0).tensor.to_vector<double>();
  CHECK(queue == normalize_rows(drawn).y.to_vector<double>());
}
