// A loss of your own for learning without labels, without a hand-written derivative.
//
// Two views of a point are two noisy copies of it. A loss that only asks their embeddings to be
// close is least where all points share one embedding, and the network learns just that: the spread
// of its embeddings falls below 0.1. With the coding length of both views subtracted from the loss,
// the spread stays above 0.8 (1: in all directions alike).
#include <cstdio>

#include "mec/all.h"
#include "mec/ssl/losses/length.h"
#include "mec/ssl/losses/pair.h"

using namespace mec;

namespace {

constexpr std::int64_t kPoints = 128, kWidth = 8;
constexpr double kDistortion = 0.5;  // ε²

// L(Z) in nats by the hand-written rule of the library: record() puts it into the graph.
Variable coding_length(const Variable& z) {
  const LengthResult length = coding_length(z.data(), coding_lambda(z.data(), kDistortion), {}, z.requires_grad());
  return record("coding_length", length.length, {z},
                [dz = length.dz](const Tensor& dy, const Needs&) -> Grads { return {scale(dz, dy)}; });
}

class Agreement : public AutogradObjective {
 public:
  explicit Agreement(double spread)
      : AutogradObjective({.metrics = {"loss", "distance"}, .symmetric = true}), spread_(spread) {}
  std::string name() const override { return "agreement"; }
  // The mean squared distance of unit rows, less the coding length of both sides for each point.
  std::vector<Variable> forward(const Variable& p, const Variable& z) const override {
    const Variable distance = mean(sum(square(normalize_rows(p) - normalize_rows(z)), 1));
    const Variable length = (coding_length(p) + coding_length(z)) / static_cast<double>(p.shape()[0]);
    return {distance - spread_ * length, distance};
  }

 private:
  double spread_;
};

Tensor noisy(const Tensor& points, std::uint64_t seed) {
  return points + 0.3 * random(points.shape(), Dtype::f32, points.device(), {.seed = seed});
}

// Prints the last step's metrics, and returns the spread of its embeddings.
double train(Objective& objective, const Device& device) {
  const Tensor points = random({kPoints, 4}, Dtype::f32, device, {.seed = 1});
  Sequential network;
  network.add(Linear({.in = 4, .out = 32}, device)).add(ReLU()).add(Linear({.in = 32, .out = kWidth}, device));
  initialize(network, 1);
  ParameterTable parameters(network);
  AdamW optimizer(parameters, {.lr = 0.01});

  Metrics metrics;
  for (std::uint64_t step = 0; step < 100; ++step) {
    optimizer.zero_grad();
    const Variable p = network(noisy(points, 2 * step)), z = network(noisy(points, 2 * step + 1));
    // A view's embedding, and its projection: the same, since there is no predictor.
    const ObjectiveResult result = objective({{0, p.data(), p.data()}, {1, z.data(), z.data()}}, {p.data(), z.data()}, {});
    backward({p, z}, result.gradients);
    optimizer.step();
    metrics = objective.summarize({result.metrics.front().to(Dtype::f64).to_vector<double>()});
  }
  for (const auto& [name, value] : metrics) std::printf("%s %.3f  ", name.c_str(), value);
  std::printf("\n");
  return metrics.back().second;  // embedding_std
}

}  // namespace

int main() {
  const Device cpu = make_cpu_device({.threads = 1});  // a second thread would not pay here
  Agreement alone(0), spread(0.5);
  std::printf("distance alone:             ");
  const double collapsed = train(alone, cpu);
  std::printf("distance and coding length: ");
  const double kept = train(spread, cpu);
  return collapsed < 0.1 && kept > 0.8 ? 0 : 1;
}
