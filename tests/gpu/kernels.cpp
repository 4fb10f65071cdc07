// Every kernel of the GPU backend, on a GPU, against the reference.
#include <doctest/doctest.h>

#include <algorithm>

#include "gpu/cases_by_name.h"
#include "mec/tensor/devices.h"
#include "mec/tensor/ops.h"
#include "support/op_cases.h"

using namespace mec;
using namespace mec::test;

namespace {

// One for all kernels, since making one takes a second. It is never given back: the driver may have
// left by then.
const Device& gpu() {
  static const Device& device = *new Device(make_cuda_device());
  return device;
}

void check_on_gpu(const char* kernel) {
  for (const std::uint64_t seed : {1, 2}) check_kernel(kernel, gpu(), seed);
}

// For compute-sanitizer, under which the whole table takes hours.
void check_small_on_gpu(const char* kernel) {
  const auto elements = [](const OpCase& op) {
    std::int64_t sum = 0;
    for (const Input& input : op.inputs) sum += input.shape.numel();
    return sum;
  };
  std::vector<OpCase> cases = op_cases();
  std::erase_if(cases, [&](const OpCase& op) { return op.kernel != kernel; });
  const std::int64_t smallest = elements(*std::ranges::min_element(cases, {}, elements));
  for (const OpCase& op : cases) {
    if (elements(op) > std::max<std::int64_t>(smallest, 4000)) continue;
    for (const Dtype dtype : op.dtypes) check_case(op, dtype, 1, gpu());
  }
}

}  // namespace

#define KERNEL_CASE(kernel) \
  TEST_CASE("cuda kernel " kernel ": agrees with the reference on every case") { check_on_gpu(kernel); }
MEC_FOR_EACH_KERNEL(KERNEL_CASE)

#define SMALL_CASE(kernel)                                                                                      \
  TEST_CASE("cuda small " kernel ": agrees with the reference on small shapes" * doctest::test_suite("slow")) { \
    check_small_on_gpu(kernel);                                                                                 \
  }
MEC_FOR_EACH_KERNEL(SMALL_CASE)

TEST_CASE("cuda: engines that were timed agree with the reference as well") {
  const Device device = make_cuda_device({.tune = true});
  for (const OpCase& op : op_cases()) {
    if (!op.kernel.starts_with("conv2d")) continue;
    for (const Dtype dtype : op.dtypes) check_case(op, dtype, 1, device);
  }
}

// Operands are rounded to 11 bits: of a sum of 512 products, whose terms may cancel, five
// deviations are 2e-3 of the sums' usual size, and twice that where a device cuts off instead of
// rounding.
TEST_CASE("cuda: TF32 changes f32 products, by no more than its own rounding") {
  const Device strict = make_cuda_device(), rounded = make_cuda_device({.tf32 = true});
  const auto product = [](const Device& device) {
    return matmul(random({256, 512}, Dtype::f32, device, {.seed = 1}), random({512, 256}, Dtype::f32, device, {.seed = 2}));
  };
  const Comparison same = compare(product(rounded), product(strict).to(make_reference_device()), {.of_rms = 4e-3});
  CHECK_MESSAGE(same.ok, same.message);
  CHECK(product(rounded).to_vector<float>() != product(strict).to_vector<float>());
}

TEST_CASE("cuda: the same work twice gives the same bits") {
  const auto results = [] {
    const Device device = make_cuda_device();
    std::vector<std::vector<std::byte>> all;
    for (const OpCase& op : op_cases()) {
      for (const Dtype dtype : op.dtypes) {
        for (const Tensor& result : op.run(make_inputs(op, 5, dtype, dtype, device))) {
          all.emplace_back(result.bytes());
          result.download(all.back().data());
        }
      }
    }
    return all;
  };
  const auto first = results(), second = results();
  REQUIRE(first.size() == second.size());
  std::size_t different = 0;
  for (std::size_t i = 0; i < first.size(); ++i) different += first[i] != second[i];
  CHECK(different == 0);
}
