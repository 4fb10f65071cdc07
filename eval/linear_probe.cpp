#include "mec/eval/linear_probe.h"

#include <limits>
#include <numeric>

#include "mec/eval/lbfgs.h"
#include "mec/tensor/ops.h"

namespace mec {

namespace {

// A column that varies by less than this share of its mean is constant as far as f32 can tell.
constexpr float kConstantColumn = 3e-5F;

// Keeps the inverse of the Gram matrix finite where columns repeat each other.
constexpr double kRidge = 1e-4;

// Mean and variance of each column. The variance of a constant column is set to infinity, so that
// standardize() makes the column zero.
BatchNormStatistics column_statistics(const Tensor& x) {
  BatchNormStatistics statistics = batch_norm_statistics(x);
  const auto mean = statistics.mean.to_vector<float>();
  auto var = statistics.var.to_vector<float>();
  for (std::size_t i = 0; i < var.size(); ++i) {
    const float limit = kConstantColumn * mean[i];
    if (var[i] <= limit * limit) var[i] = std::numeric_limits<float>::infinity();
  }
  statistics.var = Tensor::from(var, statistics.var.shape(), x.device());
  return statistics;
}

Tensor standardize(const Tensor& x, const BatchNormStatistics& statistics) {
  return batch_norm_apply(x, statistics, {}, {}, {}, {.eps = 0});
}

// The mean loss with its penalty, as a function of one flat vector: weight (d,K), then bias (K).
class ProbeLoss {
 public:
  ProbeLoss(const Tensor& x, const Tensor& labels, std::int64_t classes, double penalty)
      : x_(x), labels_(labels), weights_(x.dim(1) * classes), classes_(classes), penalty_(penalty) {}

  std::size_t size() const { return static_cast<std::size_t>(weights_ + classes_); }

  // Böhning's bound on the Hessian (1992) is ½(XᵀX/N + penalty) for each class; the intercepts
  // decouple, since the columns are centred. Its inverse undoes the correlation of the features:
  // raw pixels of Fashion-MNIST need 176 steps, not 990.
  Preconditioner preconditioner() const {
    const std::int64_t d = x_.dim(1);
    Tensor gram = scale(matmul(x_, x_, {.trans_a = true}), 1.0 / static_cast<double>(x_.dim(0))).to(Dtype::f64);
    const Tensor inverse = lu_inverse(lu(matrix_polynomial({gram}, {penalty_ + kRidge, 1.0})));
    return [inverse, d, classes = classes_](const std::vector<double>& gradient) {
      const Tensor g =
          Tensor::from(std::span(gradient).first(static_cast<std::size_t>(d * classes)), {d, classes}, inverse.device());
      auto direction = matmul(inverse, g).to_vector<double>();
      direction.insert(direction.end(), gradient.end() - classes, gradient.end());
      return direction;
    };
  }

  // The parameters as tensors.
  Tensor weight(const std::vector<double>& w) const { return upload(w, 0, {x_.dim(1), classes_}); }
  Tensor bias(const std::vector<double>& w) const { return upload(w, weights_, {classes_}); }

  double operator()(const std::vector<double>& w, std::vector<double>& gradient) const {
    const CrossEntropy result = cross_entropy(add(matmul(x_, weight(w)), bias(w)), labels_);
    const auto dweight = matmul(x_, result.dlogits, {.trans_a = true}).to_vector<float>();
    const auto dbias = sum(result.dlogits, 0).to_vector<float>();
    const auto losses = result.loss.to_vector<float>();

    const auto n = static_cast<double>(x_.dim(0));
    // In f64: the line search compares tiny differences.
    double value = std::accumulate(losses.begin(), losses.end(), 0.0) / n;
    for (std::size_t i = 0; i < dweight.size(); ++i) {
      value += 0.5 * penalty_ * w[i] * w[i];
      gradient[i] = dweight[i] / n + penalty_ * w[i];
    }
    for (std::size_t k = 0; k < dbias.size(); ++k) gradient[dweight.size() + k] = dbias[k] / n;
    return value;
  }

 private:
  Tensor upload(const std::vector<double>& w, std::int64_t offset, const Shape& shape) const {
    const auto first = w.begin() + offset;
    return Tensor::from(std::vector<float>(first, first + shape.numel()), shape, x_.device());
  }

  Tensor x_;       // (N,d)
  Tensor labels_;  // (N) i32
  std::int64_t weights_;
  std::int64_t classes_;
  double penalty_;
};

}  // namespace

std::string describe(const LinearProbeOptions& options) {
  return concat("logistic regression, C = ", options.c, ", standardised features");
}

LinearProbe fit_linear_probe(const Features& train, const LinearProbeOptions& options) {
  const std::int64_t classes = count_classes("linear probe", train), n = train.x.dim(0);
  check<ValueError>(classes >= 2, "linear probe: two classes or more are needed, but all labels are 0");
  check<ValueError>(options.c > 0, "linear probe: C is positive, but is ", options.c);

  LinearProbe probe{.scaling = column_statistics(train.x), .weight = {}, .bias = {}};
  const Tensor labels = Tensor::from(train.labels, {n}, train.x.device());
  const ProbeLoss loss(standardize(train.x, probe.scaling), labels, classes, 1.0 / (options.c * static_cast<double>(n)));
  // f32 logits: the mean loss is known to seven digits.
  const auto value = [&](const std::vector<double>& w, std::vector<double>& gradient) {
    if (options.at_work) options.at_work();
    return loss(w, gradient);
  };
  const LbfgsResult best = minimize_lbfgs(value, std::vector<double>(loss.size(), 0.0),
                                          {.max_iterations = options.max_iterations,
                                           .tolerance = options.tolerance,
                                           .value_noise = 1e-7,
                                           .precondition = loss.preconditioner()});
  probe.weight = loss.weight(best.x);
  probe.bias = loss.bias(best.x);
  probe.iterations = best.iterations;
  probe.gradient_norm = best.gradient_norm;
  probe.converged = best.converged;
  return probe;
}

std::vector<std::int32_t> classify(const LinearProbe& probe, const Tensor& x) {
  const Tensor logits = add(matmul(standardize(x, probe.scaling), probe.weight), probe.bias);
  return top_k(logits, 1).indices.to_vector<std::int32_t>();
}

}  // namespace mec
