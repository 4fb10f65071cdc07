// The oracle itself: answers worked out by hand, and identities that tie each backward kernel to
// its forward one. The table of cases cannot see a wrong formula here, since it compares everything
// with this backend.
#include <doctest/doctest.h>

#include <cmath>
#include <functional>

#include "mec/tensor/devices.h"
#include "mec/tensor/ops.h"

using namespace mec;

namespace {

const Device kDevice = make_reference_device();

using Values = std::vector<double>;

Tensor tensor(const Values& values, const Shape& shape) { return Tensor::from(values, shape, kDevice); }
Values values(const Tensor& t) { return t.to(Dtype::f64).to_vector<double>(); }
Tensor draw(const Shape& shape, std::uint64_t seed) { return random(shape, Dtype::f64, kDevice, {.seed = seed}); }
double dot(const Tensor& a, const Tensor& b) { return sum(mul(a, b)).item(); }

// d/dx of <f(x), dy> at x along `direction`, by central differences: error of order step² and
// 1e-16/step.
double slope(const std::function<Tensor(const Tensor&)>& f, const Tensor& x, const Tensor& direction, const Tensor& dy) {
  constexpr double kStep = 1e-5;
  const Tensor up = x.clone(), down = x.clone();
  axpby(direction, up, {.alpha = kStep, .beta = 1});
  axpby(direction, down, {.alpha = -kStep, .beta = 1});
  return (dot(f(up), dy) - dot(f(down), dy)) / (2 * kStep);
}

void check_close(double a, double b, double tolerance) { CHECK(std::fabs(a - b) <= tolerance * std::max(1.0, std::fabs(b))); }

}  // namespace

TEST_CASE("reference: a product with each operand transposed, and accumulation") {
  const Tensor a = tensor({1, 2, 3, 4, 5, 6}, {2, 3}), b = tensor({1, 0, 2, 1, 0, 3}, {3, 2});
  const Values product = {5, 11, 14, 23};
  CHECK(values(matmul(a, b)) == product);
  CHECK(values(matmul(transpose(a), b, {.trans_a = true})) == product);
  CHECK(values(matmul(a, transpose(b), {.trans_b = true})) == product);
  const Tensor c = tensor({1, 1, 1, 1}, {2, 2});
  matmul_into(a, b, c, {.accumulate = true});
  CHECK(values(c) == Values{6, 12, 15, 24});
}

TEST_CASE("reference: convolutions worked out by hand") {
  // 3x3 image, 2x2 kernel that subtracts the lower right neighbour: windows are not flipped.
  const Tensor x = tensor({1, 2, 3, 4, 5, 6, 7, 8, 10}, {1, 3, 3, 1}), w = tensor({1, 0, 0, -1}, {1, 2, 2, 1});
  CHECK(values(conv2d(x, w)) == Values{-4, -4, -4, -5});
  CHECK(values(conv2d(x, w, {.stride = 2, .pad = 1})) == Values{-1, -3, -7, 5 - 10});
  CHECK(values(conv2d(x, w, {.dilation = 2})) == Values{1 - 10});
  // Two groups: output 0 reads channel 0, output 1 reads channel 1.
  const Tensor pixel = tensor({2, 3}, {1, 1, 1, 2}), factors = tensor({10, 100}, {2, 1, 1, 1});
  CHECK(values(conv2d(pixel, factors, {.groups = 2})) == Values{20, 300});
  // Without groups the weight's last axis runs over channels.
  CHECK(values(conv2d(pixel, tensor({1, 10}, {1, 1, 1, 2}))) == Values{32});
}

TEST_CASE("reference: both gradients of a convolution are adjoint to it") {
  const Conv2dArgs many[] = {{}, {.stride = 2, .pad = 1}, {.pad = 2, .dilation = 2}, {.stride = 3, .pad = 1, .groups = 2}};
  for (const Conv2dArgs& args : many) {
    const Tensor x = draw({2, 7, 8, 4}, 1), w = draw({6, 3, 2, 4 / args.groups}, 2);
    const Tensor y = conv2d(x, w, args), dy = draw(y.shape(), 3);
    check_close(dot(conv2d_grad_input(dy, w, x.shape(), args), x), dot(y, dy), 1e-12);
    check_close(dot(conv2d_grad_weight(dy, x, w.shape(), args), w), dot(y, dy), 1e-12);
  }
}

TEST_CASE("reference: the slope of each element-wise function is that of its values") {
  for (const UnaryOp op : {UnaryOp::relu, UnaryOp::neg, UnaryOp::exp, UnaryOp::log, UnaryOp::sqrt, UnaryOp::square,
                           UnaryOp::abs, UnaryOp::tanh, UnaryOp::sigmoid}) {
    CAPTURE(static_cast<int>(op));
    const bool positive = op == UnaryOp::log || op == UnaryOp::sqrt;
    const Tensor x = tensor(positive ? Values{0.5, 1, 2.5, 4} : Values{-2, -0.3, 0.4, 3}, {4});
    const Tensor dy = draw({4}, 1), direction = draw({4}, 2);
    const auto f = [op](const Tensor& t) { return unary(op, t); };
    check_close(dot(unary_grad(op, x, dy), direction), slope(f, x, direction, dy), 1e-8);
  }
  CHECK(values(relu(tensor({-1, 0, 2}, {3}))) == Values{0, 0, 2});
  CHECK(std::isnan(values(relu(tensor({std::nan("")}, {1})))[0]));
}

TEST_CASE("reference: binary operations repeat the second operand, and sums run over the axis they name") {
  const Tensor x = tensor({1, 2, 3, 4, 5, 6}, {2, 3});
  CHECK(values(sub(x, tensor({1, 1, 2}, {3}))) == Values{0, 1, 1, 3, 4, 4});
  CHECK(values(div(x, tensor({2}, {}))) == Values{0.5, 1, 1.5, 2, 2.5, 3});
  CHECK(values(reduce(Reduce::over_rows, x)) == Values{5, 7, 9});
  CHECK(values(reduce(Reduce::over_columns, x)) == Values{6, 15});
  CHECK(sum(x).item() == 21);
}

TEST_CASE("reference: batch norm gives rows of mean 0 and variance 1, then scale, shift, residual and ReLU") {
  const Tensor x = tensor({1, 10, 3, 30, 5, 20}, {3, 2});
  const auto statistics = batch_norm_statistics(x);
  CHECK(values(statistics.mean) == Values{3, 20});
  check_close(values(statistics.var)[0], 8.0 / 3, 1e-14);
  check_close(values(statistics.var)[1], 200.0 / 3, 1e-14);
  const Tensor gamma = tensor({2, 3}, {2}), beta = tensor({0.5, -1}, {2}), add = tensor({0, 0, 0, 0, 0, 9}, {3, 2});
  const auto y = values(batch_norm_apply(x, statistics, gamma, beta, add, {.eps = 0, .relu = true}));
  const double unit = std::sqrt(1.5);
  const Values expected = {0, 0, 0.5, 3 * unit - 1, 2 * unit + 0.5, 8};
  for (std::size_t i = 0; i < y.size(); ++i) check_close(y[i], expected[i], 1e-14);
}

TEST_CASE("reference: batch norm's gradients are those of statistics and application together") {
  for (const bool relu : {false, true}) {
    const BatchNormArgs args{.eps = 1e-3, .relu = relu};
    const Tensor x = draw({5, 3}, 1), gamma = draw({3}, 2), beta = draw({3}, 3), add = draw({5, 3}, 4), dy = draw({5, 3}, 5);
    const auto forward = [&](const Tensor& x_, const Tensor& gamma_, const Tensor& beta_, const Tensor& add_) {
      return batch_norm_apply(x_, batch_norm_statistics(x_), gamma_, beta_, add_, args);
    };
    const auto statistics = batch_norm_statistics(x);
    const Tensor y = forward(x, gamma, beta, add);
    const auto sums = batch_norm_grad_reduce(dy, x, y, statistics, gamma, beta, args);
    const auto grads = batch_norm_grad_apply(dy, x, y, statistics, gamma, beta, sums, 5, true, args);
    const Tensor along = draw({5, 3}, 6), channel = draw({3}, 7);
    check_close(dot(grads.dx, along), slope([&](const Tensor& t) { return forward(t, gamma, beta, add); }, x, along, dy), 1e-7);
    check_close(dot(grads.dadd, along), slope([&](const Tensor& t) { return forward(x, gamma, beta, t); }, add, along, dy),
                1e-7);
    check_close(dot(sums.dgamma, channel), slope([&](const Tensor& t) { return forward(x, t, beta, add); }, gamma, channel, dy),
                1e-7);
    check_close(dot(sums.dbeta, channel), slope([&](const Tensor& t) { return forward(x, gamma, t, add); }, beta, channel, dy),
                1e-7);
  }
}

TEST_CASE("reference: the largest pixel is the first of equals, padding never wins, and NaN is not lost") {
  const Tensor x = tensor({-5, -3, -3, -4, -9, -3, -7, -8, -6}, {1, 3, 3, 1});
  const auto pooled = max_pool2d(x, {.kernel = 3, .stride = 2, .pad = 1});
  CHECK(values(pooled.y) == Values{-3, -3, -4, -3});
  // Windows start at (-1,-1), (-1,1), (1,-1), (1,1); the index counts within the window.
  CHECK(pooled.argmax.to_vector<std::uint8_t>() == std::vector<std::uint8_t>{5, 3, 1, 1});
  const Tensor dy = tensor({1, 10, 100, 1000}, {1, 2, 2, 1});
  const Tensor dx = max_pool2d_grad(dy, pooled.argmax, x.shape(), {.kernel = 3, .stride = 2, .pad = 1});
  CHECK(values(dx) == Values{0, 11, 0, 100, 0, 1000, 0, 0, 0});
  const Tensor damaged = tensor({1, std::nan(""), 3, 4}, {1, 2, 2, 1});
  CHECK(std::isnan(max_pool2d(damaged, {.kernel = 2, .stride = 1, .pad = 0}).y.item()));
}

TEST_CASE("reference: global pooling is the mean of the pixels, and its gradient is adjoint") {
  CHECK(values(global_avg_pool(tensor({1, 10, 3, 20, 5, 30, 7, 60}, {1, 2, 2, 2}))) == Values{4, 30});
  const Tensor x = draw({2, 3, 4, 5}, 1), dy = draw({2, 5}, 2);
  check_close(dot(global_avg_pool_grad(dy, x.shape()), x), dot(global_avg_pool(x), dy), 1e-13);
}

TEST_CASE("reference: unit rows and their gradient") {
  const auto rows = normalize_rows(tensor({3, 4, 0, 0}, {2, 2}));
  CHECK(values(rows.y) == Values{0.6000000000000001, 0.8, 0, 0});
  CHECK(values(rows.inv_norm)[0] == 0.2);
  const Tensor x = draw({4, 6}, 1), dy = draw({4, 6}, 2), along = draw({4, 6}, 3);
  const auto f = [](const Tensor& t) { return normalize_rows(t).y; };
  check_close(dot(normalize_rows_grad(normalize_rows(x), dy), along), slope(f, x, along, dy), 1e-8);
}

TEST_CASE("reference: cross-entropy of known logits, its gradient, and rows without a label") {
  const Tensor logits = tensor({0, std::log(3.0), 1000, 1000, 5, 7}, {3, 2});
  const Tensor labels = Tensor::from<std::int32_t>({1, 0, -1}, {3}, kDevice);
  const auto out = cross_entropy(logits, labels);
  check_close(values(out.loss)[0], -std::log(0.75), 1e-14);
  check_close(values(out.loss)[1], std::log(2.0), 1e-14);
  CHECK(values(out.loss)[2] == 0);
  const auto gradient = values(out.dlogits);
  const Values expected = {0.25, -0.25, -0.5, 0.5, 0, 0};
  for (std::size_t i = 0; i < gradient.size(); ++i) check_close(gradient[i], expected[i], 1e-14);
}

TEST_CASE("reference: top_k falls, and the lower index comes first among equals") {
  const auto top = top_k(tensor({2, 5, 5, 1, 5, 3}, {1, 6}), 4);
  CHECK(values(top.values) == Values{5, 5, 5, 3});
  CHECK(top.indices.to_vector<std::int32_t>() == std::vector<std::int32_t>{1, 2, 4, 5});
}

TEST_CASE("reference: decompositions give determinants, inverses and factors") {
  // Cannot be factored without a swap; determinant -2.
  const Tensor a = tensor({0, 2, 1, 0}, {2, 2});
  const auto factors = lu(a);
  check_close(values(factors.log_det)[0], std::log(2.0), 1e-15);
  CHECK(values(factors.log_det)[1] == -1);
  CHECK(values(lu_inverse(factors)) == Values{0, 1, 0.5, 0});
  const Tensor b = draw({7, 7}, 1), identity = matmul(b, lu_inverse(lu(b)));
  for (std::int64_t i = 0; i < 49; ++i) check_close(values(identity)[static_cast<std::size_t>(i)], i % 8 == 0 ? 1 : 0, 1e-12);
  const auto root = cholesky(tensor({4, -1, 6, 10}, {2, 2}));  // the upper triangle is not read
  const auto lower = values(root.lower);
  CHECK((lower[0] == 2 && lower[2] == 3 && lower[3] == 1));
  check_close(values(root.log_det)[0], std::log(4.0), 1e-15);
  CHECK(values(root.log_det)[1] == 1);
}

TEST_CASE("reference: traces of powers, polynomials and symmetric parts") {
  // Eigenvalues with sum 5 and product -2.
  const Tensor c = tensor({1, 2, 3, 4}, {2, 2}), square = matmul(c, c);
  CHECK(values(power_traces({c, square}, 4)) == Values{5, 29, 155, 833});
  CHECK(values(power_traces({c}, 2)) == Values{5, 29});
  CHECK(values(matrix_polynomial({c, square}, {10, -1, 1})) == Values{16, 8, 12, 28});
  CHECK(values(symmetrize(c)) == Values{1, 2.5, 2.5, 4});
}

TEST_CASE("reference: the forces of t-SNE, a point on itself apart") {
  const Tensor p = tensor({9, 1, 2, 3, 9, 4, 5, 6, 9}, {3, 3}), y = tensor({0, 1, 0, 0, 0, 3}, {2, 3});  // (0,0), (1,0), (0,3)
  const TsneForces forces = tsne_forces(p, y);  // w = 1/2, 1/10 and 1/11
  const auto near = [](const Tensor& t, const Values& expected) {
    for (std::size_t i = 0; i < expected.size(); ++i) check_close(values(t)[i], expected[i], 1e-15);
  };
  near(forces.attraction, {-0.5, 1.5 + 4.0 / 11, -6.0 / 11, -0.6, -12.0 / 11, 1.5 + 18.0 / 11});
  near(forces.repulsion, {-0.25, 0.25 + 1.0 / 121, -1.0 / 121, -0.03, -3.0 / 121, 0.03 + 3.0 / 121});
  near(forces.weights, {0.6, 0.5 + 1.0 / 11, 0.1 + 1.0 / 11});
}

TEST_CASE("reference: the scale of the coding length is cut only above the limit, and a zero vector is safe") {
  const Tensor u = tensor({3, 4}, {2}), v = tensor({0, 10, 0}, {3});  // norm 2
  const auto scale_of = [&](double lambda, const Tensor& from, bool adapt) {
    return values(coding_scale(tensor({lambda}, {1}), from, v, {.adapt = adapt, .limit = 0.5}));
  };
  CHECK(scale_of(4, u, true) == Values{0.25, 8, 0.5});
  CHECK(scale_of(4, u, false) == Values{4, 8, 8});
  CHECK(scale_of(0.125, u, true) == Values{0.125, 0.25, 0.25});
  CHECK(scale_of(4, tensor({0, 0}, {2}), true) == Values{4, 0, 0});
}

TEST_CASE("reference: the coding loss sums alternating traces") {
  // T = 6 - 4/2 + 9/3 = 7, m = 2, d = 6, so that mu = 4.
  const auto result =
      values(coding_loss(tensor({6, 4, 9}, {3}), tensor({0.5, 0, 0}, {3}), {.order = 3, .rows = 2, .width = 6, .weight = 0.5}));
  CHECK(result == Values{-3.5, 14});
}

TEST_CASE("reference: updates worked out by hand") {
  const Tensor w = tensor({1, 2, 3}, {3}), g = tensor({1, 1, 2}, {3}), v = tensor({2, 0, 4}, {3});
  const Tensor offsets = Tensor::from<std::int64_t>({0, 1, 3}, {3}, kDevice);
  sgd_update(w, g, v, tensor({0.5}, {1}), offsets, tensor({1, 2}, {2}), {.lr_factor = 0.5, .momentum = 0.5, .weight_decay = 1});
  CHECK(values(v) == Values{3, 6, 12});
  CHECK(values(w) == Values{0.25, 0.5, 0});
  const Tensor weights = tensor({3, 4, 0, 0}, {4}), gradients = tensor({0, 2, 1, 1}, {4});
  const Tensor cuts = Tensor::from<std::int64_t>({0, 2, 4}, {3}, kDevice);
  CHECK(values(lars_trust_ratios(weights, gradients, cuts, {.eta = 0.5, .weight_decay = 0.1})) ==
        Values{1, 1});  // 2.5/2.5; zero norm
  CHECK(values(lars_trust_ratios(weights, gradients, cuts, {.eta = 1, .weight_decay = 0.1})) == Values{2, 1});
  const Tensor teacher = tensor({4, 8}, {2});
  ema_update(teacher, tensor({8, 0}, {2}), tensor({0.75}, {1}));
  CHECK(values(teacher) == Values{5, 6});
}
