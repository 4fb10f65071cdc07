// Operations refuse what does not fit, by name, with both values, before any memory is touched.
#include <doctest/doctest.h>

#include "mec/tensor/devices.h"
#include "mec/tensor/ops.h"

using namespace mec;

namespace {

const Device kDevice = make_reference_device();
Tensor make(const Shape& shape, Dtype dtype = Dtype::f32) { return Tensor::zeros(shape, dtype, kDevice); }

}  // namespace

TEST_CASE("products name the sizes that differ") {
  CHECK_THROWS_WITH_AS(matmul(make({2, 3}), make({4, 5})),
                       "matmul: inner sizes differ: a (2,3) has 3 columns, b (4,5) has 4 rows", ShapeError);
  CHECK_THROWS_WITH_AS(matmul(make({2, 3}), make({3, 4}, Dtype::f64)), doctest::Contains("must be f32, but is f64"),
                       DtypeError);
  CHECK_THROWS_WITH_AS(matmul_into(make({2, 3}), make({3, 4}), make({4, 2})),
                       "matmul: the product is (2,4), but the result given is (4,2)", ShapeError);
  CHECK_THROWS_AS(matmul_into(make({2, 3}), make({3, 4}), make({2, 4}, Dtype::bf16)), DtypeError);
  CHECK_THROWS_AS(matmul(make({2, 3}), make({3, 4}), {.accumulate = true}), ValueError);
  CHECK_THROWS_WITH_AS(conv2d(make({1, 8, 8, 3}), make({4, 3, 3, 1})),
                       "conv2d: weight (4,3,3,1) in 1 group(s) expects 1 input channels, but input (1,8,8,3) has 3 (images are "
                       "NHWC)",
                       ShapeError);
  CHECK_THROWS_WITH_AS(conv2d(make({1, 2, 2, 3}), make({4, 5, 5, 3}), {.pad = 1}),
                       "conv2d: a window of 5 does not fit in 2 pixels with padding 1", ShapeError);
  CHECK_THROWS_AS(conv2d(make({1, 8, 8, 3}), make({4, 3, 3, 3}), {.stride = 0}), ValueError);
  CHECK_THROWS_WITH_AS(conv2d_grad_input(make({1, 8, 8, 4}), make({4, 3, 3, 3}), {1, 8, 8, 3}),
                       "conv2d_grad_input: the output is (1,6,6,4), but its gradient is (1,8,8,4)", ShapeError);
  CHECK_THROWS_WITH_AS(conv2d(make({1, 8, 8, 4}), make({3, 3, 3, 2}), {.groups = 2}), doctest::Contains("3 output channels"),
                       ShapeError);
}

TEST_CASE("element-wise operations refuse other shapes, dtypes and devices") {
  CHECK_THROWS_WITH_AS(add(make({2, 3}), make({2})), doctest::Contains("add: shapes (2,3) and (2) do not meet"), ShapeError);
  CHECK_THROWS_AS(exp(make({2}, Dtype::i32)), DtypeError);
  CHECK_THROWS_WITH_AS(add(make({2}), Tensor::zeros({2}, Dtype::f32, make_reference_device())),
                       doctest::Contains("live on two different devices"), ValueError);
  CHECK_THROWS_AS(unary_grad(UnaryOp::relu, make({2}), Tensor::zeros({2}, Dtype::f32, make_reference_device())), ValueError);
  CHECK_THROWS_AS(fill_random(make({2}, Dtype::bf16), {}), DtypeError);
  CHECK_THROWS_AS(axpby(make({2}), make({3}), {}), ShapeError);
  CHECK_THROWS_AS(scale(make({2}), make({2})), ShapeError);
  CHECK_THROWS_WITH_AS(axpby(make({2}), make({2}), {.alpha_device = make({2})}),
                       "axpby: the factor in device memory has one element, but got (2)", ShapeError);
  CHECK_THROWS_WITH_AS(axpby(make({2}), make({2}, Dtype::f64), {.alpha_device = make({1})}),
                       "axpby: the factor in device memory must be f64, but is f32", DtypeError);
  CHECK_THROWS_AS(axpby(make({2}, Dtype::bf16), make({2}), {.alpha_device = make({1}, Dtype::f64)}), DtypeError);
  CHECK_THROWS_AS(axpby(make({2}), make({2}), {.alpha_device = Tensor::zeros({1}, Dtype::f32, make_reference_device())}),
                  ValueError);
  CHECK_THROWS_AS(relu(Tensor()), ValueError);
  CHECK_THROWS_AS(unary_grad(UnaryOp::relu, make({2}), Tensor()), ValueError);
}

TEST_CASE("batch norm refuses statistics and parameters of another size or dtype") {
  const Tensor x = make({4, 3});
  const BatchNormStatistics statistics{make({3}), make({3})};
  CHECK_THROWS_WITH_AS(batch_norm_apply(x, {make({4}), make({3})}, {}, {}, {}, {}),
                       "batch_norm: the mean has one value for each of the 3 channels of (4,3), but is (4)", ShapeError);
  CHECK_THROWS_AS(batch_norm_apply(x, statistics, make({3}), {}, {}, {}), ValueError);
  CHECK_THROWS_AS(batch_norm_apply(x, statistics, make({3}, Dtype::f64), make({3}), {}, {}), DtypeError);
  CHECK_THROWS_AS(batch_norm_apply(x, statistics, {}, {}, make({4, 2}), {}), ShapeError);
  CHECK_THROWS_AS(batch_norm_statistics(make({0, 3})), ShapeError);
  CHECK_THROWS_AS(batch_norm_grad_reduce(x, x, make({3, 3}), statistics, {}, {}, {.relu = true}), ShapeError);
  CHECK_THROWS_AS(batch_norm_grad_apply(x, x, {}, statistics, make({2}), make({2}), {make({3}), make({3})}, 4, false, {}),
                  ShapeError);
  CHECK_THROWS_AS(batch_norm_grad_apply(x, x, {}, statistics, {}, {}, {make({2}), make({3})}, 4, false, {}), ShapeError);
}

TEST_CASE("pooling, rows and matrices check their arguments") {
  CHECK_THROWS_AS(max_pool2d(make({1, 8, 8, 3}), {.kernel = 3, .stride = 1, .pad = 2}), ShapeError);
  CHECK_THROWS_AS(max_pool2d(make({1, 40, 40, 1}), {.kernel = 16, .stride = 1, .pad = 0}), ShapeError);
  CHECK_THROWS_AS(global_avg_pool(make({1, 0, 8, 3})), ShapeError);
  CHECK_THROWS_AS(global_avg_pool_grad(make({2, 3}), {2, 4, 4, 5}), ShapeError);
  CHECK_THROWS_WITH_AS(top_k(make({2, 3}), 4), "top_k: k lies between 1 and the 3 columns, but is 4", ValueError);
  CHECK_THROWS_AS(cross_entropy(make({2, 3}), make({3}, Dtype::i32)), ShapeError);
  CHECK_THROWS_AS(cross_entropy(make({2, 3}), make({2}, Dtype::i64)), DtypeError);
  CHECK_THROWS_AS(normalize_rows(make({2, 3}, Dtype::bf16)), DtypeError);
  CHECK_THROWS_AS(gather_rows(make({2, 3}), make({2}, Dtype::i32)), DtypeError);
  CHECK_THROWS_AS(lu(make({2, 3})), ShapeError);
  CHECK_THROWS_AS(symmetrize(make({2, 3})), ShapeError);
  CHECK_THROWS_WITH_AS(power_traces({make({2, 2})}, 3), "power_traces: order 3 needs 2 powers, but got 1", ValueError);
  CHECK_THROWS_AS(matrix_polynomial({make({2, 2})}, {1.0}), ValueError);
  CHECK_THROWS_AS(tsne_forces(make({3, 3}), make({3, 2})), ShapeError);
  CHECK_THROWS_AS(tsne_forces(make({3, 3}), make({2, 3}, Dtype::f64)), DtypeError);
  CHECK_THROWS_AS(coding_loss(make({2}), make({3}), {.order = 4}), ShapeError);
}

TEST_CASE("updates check their buffers") {
  const Tensor w = make({6}), lr = make({1}), offsets = Tensor::from<std::int64_t>({0, 6}, {2}, kDevice);
  CHECK_THROWS_AS(sgd_update(w, make({5}), w, lr, offsets, {}, {}), ShapeError);
  CHECK_THROWS_AS(sgd_update(w, w, w, make({2}), offsets, {}, {}), ShapeError);
  CHECK_THROWS_AS(sgd_update(w, w, w, lr, make({2}), {}, {}), DtypeError);
  CHECK_THROWS_WITH_AS(sgd_update(w, w, w, lr, offsets, make({2}), {}),
                       "sgd_update: the trust ratios should hold 1 value(s), but is (2)", ShapeError);
  CHECK_THROWS_AS(sgd_update(w, w, w, make({1}, Dtype::f64), offsets, {}, {}), DtypeError);
  CHECK_THROWS_WITH_AS(sgd_update(w, w, w, lr, offsets, {}, {}, make({2})),
                       "sgd_update: the flag is one number, but its shape is (2)", ShapeError);
  CHECK_THROWS_AS(adamw_update(w, w, w, w, lr, make({2}), offsets, {}, {}, make({1}, Dtype::f64)), DtypeError);
  CHECK_THROWS_AS(ema_update(w, w, lr, make({2})), ShapeError);
  CHECK_THROWS_AS(copy_when(make({2}), w, w), ShapeError);
  CHECK_THROWS_AS(copy_when(lr, w, make({5})), ShapeError);
  CHECK_THROWS_AS(copy_when(lr, w, make({6}, Dtype::f64)), DtypeError);
  CHECK_THROWS_AS(ema_update(w, w, make({2})), ShapeError);
  CHECK_THROWS_AS(ema_update(w, w, make({1}, Dtype::f64)), DtypeError);
}
