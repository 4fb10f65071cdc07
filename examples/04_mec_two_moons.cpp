// Maximum Entropy Coding by hand: two moons, a network of two layers, no labels.
//
// Two views of a point are two noisy copies of it. Maximising the coding length keeps copies
// together and everything else apart, and so unrolls the moons: a straight line through the plane
// separates about 90 % of the points, one through the embedding above 97 %.
#include <cmath>
#include <cstdio>

#include "mec/all.h"
#include "mec/ssl/losses/pair.h"

using namespace mec;

namespace {

constexpr std::int64_t kPoints = 400, kWidth = 16;

struct Moons {
  Tensor points;            // (N,2)
  std::vector<float> moon;  // −1 or 1
};

Moons make_moons(const Device& device) {
  std::vector<float> xy, moon;
  RandomStream draw(3, 0, 0, Purpose::test);
  for (std::int64_t i = 0; i < kPoints; ++i) {
    const bool upper = i % 2 == 0;
    const float angle = draw.uniform(0, 3.1416F);
    xy.push_back((upper ? std::cos(angle) : 1 - std::cos(angle)) + 0.06F * draw.normal());
    xy.push_back((upper ? std::sin(angle) : 0.5F - std::sin(angle)) + 0.06F * draw.normal());
    moon.push_back(upper ? 1.0F : -1.0F);
  }
  return {Tensor::from(xy, {kPoints, 2}, device), moon};
}

// The share of points on the right side of the line that least squares fits to the features, with a
// constant appended to each.
double separable(const Tensor& features, const Moons& moons) {
  const std::int64_t n = features.dim(0), d = features.dim(1);
  const auto host = features.to_vector<float>();
  std::vector<float> padded;
  for (std::int64_t i = 0; i < n; ++i) {
    padded.insert(padded.end(), host.begin() + i * d, host.begin() + (i + 1) * d);
    padded.push_back(1.0F);
  }
  const Tensor x = Tensor::from(padded, {n, d + 1}, features.device());
  const Tensor y = Tensor::from(moons.moon, {n, 1}, features.device());
  const Tensor gram = matrix_polynomial({matmul(x, x, {.trans_a = true})}, {1e-3, 1.0});  // a little ridge
  const Tensor line = matmul(lu_inverse(lu(gram)), matmul(x, y, {.trans_a = true}));
  const auto side = matmul(x, line).to_vector<float>();
  int right = 0;
  for (std::size_t i = 0; i < side.size(); ++i) right += (side[i] > 0) == (moons.moon[i] > 0);
  return right / static_cast<double>(n);
}

Tensor noisy(const Tensor& points, std::uint64_t seed) {
  return points + 0.12 * random(points.shape(), Dtype::f32, points.device(), {.seed = seed});
}

}  // namespace

int main() {
  const Device cpu = make_cpu_device();
  const Moons moons = make_moons(cpu);

  Sequential network;
  network.add(Linear({.in = 2, .out = 64}, cpu)).add(BatchNorm({.channels = 64}, cpu)).add(ReLU());
  network.add(Linear({.in = 64, .out = 64}, cpu)).add(BatchNorm({.channels = 64}, cpu)).add(ReLU());
  network.add(Linear({.in = 64, .out = kWidth}, cpu));
  initialize(network, 1);
  ParameterTable parameters(network);
  Sgd optimizer(parameters, {.lr = 0.05, .momentum = 0.9});
  const Tensor lambda = Tensor::full({1}, coding_lambda(kPoints, kWidth, kWidth), Dtype::f32, cpu);

  std::printf("line through the plane: %.1f %%\n", 100 * separable(moons.points, moons));
  for (std::uint64_t step = 0; step < 600; ++step) {
    optimizer.zero_grad();
    const Variable p = network(noisy(moons.points, 2 * step));
    const Variable z = network(noisy(moons.points, 2 * step + 1));
    const CodingResult pair =
        coding_length_pair(p.data(), z.data(), lambda, {.order = 4, .symmetrize = true}, {.dp = true, .dz = true});
    backward({p, z}, {pair.dp, pair.dz});
    optimizer.step();
    if (step % 200 == 0) std::printf("step %3d: loss %.4f\n", static_cast<int>(step), pair.metrics.to_vector<float>()[0]);
  }

  const NoGrad no_grad;
  const Tensor embedding = normalize_rows(network(moons.points, kEvaluation).data()).y;
  const double reached = separable(embedding, moons);
  std::printf("line through the embedding: %.1f %%\n", 100 * reached);
  return reached > 0.97 ? 0 : 1;
}
