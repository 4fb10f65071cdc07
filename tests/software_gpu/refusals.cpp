// What is done where one of NVIDIA's libraries has nothing, or is not open yet.
#include <doctest/doctest.h>

#include <cmath>

#include "mec/tensor/backend.h"
#include "mec/tensor/devices.h"
#include "mec/tensor/ops.h"
#include "software_gpu/streams.h"
#include "support/compare.h"

using namespace mec;
using namespace mec::test;

namespace {

// (m,k)(k,n) of bf16, added to f32.
void check_product(const Device& device, std::int64_t m, std::int64_t k, std::int64_t n, const char* by) {
  CAPTURE(k);
  const auto product = [&](const Device& on, Dtype dtype) {
    const auto make = [&](const Shape& shape, std::uint64_t seed) {
      return random(shape, Dtype::f32, make_reference_device(), {.seed = seed}).to(Dtype::bf16).to(dtype).to(on);
    };
    const Tensor sum = Tensor::full({m, n}, 2, accumulator_of(dtype), on);
    matmul_into(make({m, k}, 1), make({k, n}, 2), sum, {.accumulate = true});
    return sum;
  };
  const Tensor actual = product(device, Dtype::bf16);
  CHECK(software_gpu::last_given() == by);
  const Comparison same = compare(actual, product(make_reference_device(), Dtype::f64), {.of_rms = 1e-5});
  CHECK_MESSAGE(same.ok, same.message);
}

}  // namespace

TEST_CASE("products that cuBLASLt has no algorithm for, or no kernel, are those of a kernel of ours") {
  const Device device = make_cuda_device();
  check_product(device, 6, 8, 4, "matmul");
  for (int again = 0; again < 2; ++again) check_product(device, 6, 5, 4, "tiled_product");
  check_product(device, 6, 1, 4, "tiled_product");
  check_product(device, 6, 8, 4, "matmul");
}

TEST_CASE("cuSOLVER is not opened within a capture, and serves there once it is open") {
  const Device device = make_cuda_device();
  const Tensor matrix = Tensor::from<float>({4, 2, 2, 5}, {2, 2}, device);
  static_cast<void>(scale(matrix, 2));  // memory for what is captured
  {
    const auto capture = device->make_capture();
    capture->begin();
    CHECK_THROWS_WITH_AS(cholesky(matrix), doctest::Contains("for the first time"), DeviceError);
  }
  device->synchronize();
  const auto log_det = [](const Cholesky& factors) { return factors.log_det.to_vector<float>(); };
  const auto expected = log_det(cholesky(matrix));
  CHECK(expected[0] == doctest::Approx(std::log(16.0)));
  const auto capture = device->make_capture();
  capture->begin();
  const Cholesky factors = cholesky(matrix);
  capture->end();
  capture->replay();
  CHECK(log_det(factors) == expected);
}
