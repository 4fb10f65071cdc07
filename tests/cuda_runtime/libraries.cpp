// What products and decompositions do when a library refuses, or is not open yet.
#include <doctest/doctest.h>

#include "cuda_runtime/fake_libraries.h"
#include "cuda_runtime/fake_runtime.h"
#include "mec/tensor/cuda/decompositions.h"
#include "mec/tensor/cuda/products.h"

using namespace mec;
using namespace mec::test;
using cuda::Decompositions;
using cuda::Products;

namespace {

bool multiply(Products& products, std::int64_t m) {
  static unsigned short memory[3][64];
  const auto matrix = [&](int which, const Shape& shape) { return View{memory[which], shape, Dtype::bf16}; };
  return products.matmul(matrix(0, {m, 5}), matrix(1, {5, 1}), matrix(2, {m, 1}), {}, {}, nullptr);
}

}  // namespace

TEST_CASE("products: where cuBLASLt has no algorithm nothing is started, and it is asked once") {
  FakeLibraries& fake = fake_libraries() = {};
  Products products(false);
  CHECK(multiply(products, 2));
  CHECK(fake.products == 1);
  for (const auto& [status, count] : {std::pair{CUBLAS_STATUS_NOT_SUPPORTED, 0}, std::pair{CUBLAS_STATUS_SUCCESS, 0}}) {
    fake = {.heuristic = status, .algorithms = count};
    const std::int64_t m = 3 + (status == CUBLAS_STATUS_SUCCESS);
    CHECK_FALSE(multiply(products, m));
    CHECK_FALSE(multiply(products, m));
    CHECK(fake.asked == 1);
    CHECK(fake.products == 0);
  }
  CHECK(multiply(products, 2));  // others are as before
}

TEST_CASE("products: any other answer of cuBLASLt is an error") {
  fake_libraries() = {.heuristic = CUBLAS_STATUS_INVALID_VALUE, .algorithms = 0};
  Products products(false);
  CHECK_THROWS_WITH_AS(multiply(products, 2), doctest::Contains("cublasLtMatmulAlgoGetHeuristic failed"), DeviceError);
}

TEST_CASE("decompositions: cuSOLVER is opened once, at first use, and never within a capture") {
  FakeLibraries& fake = fake_libraries() = {};
  const cudaStream_t stream = make_fake_stream();
  Decompositions decompositions(stream);
  CHECK(fake.solvers_opened == 0);
  let_streams_capture(true);
  CHECK_THROWS_WITH_AS(decompositions.cholesky_workspace(5, Dtype::f32), doctest::Contains("for the first time"), DeviceError);
  CHECK(fake.solvers_opened == 0);
  let_streams_capture(false);
  CHECK(decompositions.cholesky_workspace(5, Dtype::f32) == 60);
  CHECK(fake.solver_stream == stream);
  let_streams_capture(true);  // open by now
  CHECK(decompositions.cholesky_workspace(5, Dtype::f32) == 60);
  let_streams_capture(false);
  CHECK(fake.solvers_opened == 1);
}
