// Every kernel of the GPU backend, on a GPU, against the reference.
#include <doctest/doctest.h>

#include <algorithm>
#include <map>

#include "mec/tensor/devices.h"
#include "mec/tensor/ops.h"
#include "support/op_cases.h"

using namespace mec;
using namespace mec::test;

TEST_CASE("cuda: every kernel agrees with the reference on every case") {
  const Device device = make_cuda_device();
  for (const std::uint64_t seed : {1, 2}) {
    for (const OpFamily& family : kOpFamilies) check_family(family, device, seed);
  }
}

// For compute-sanitizer, under which the whole table takes hours.
TEST_CASE("cuda: every kernel agrees with the reference on small shapes") {
  std::map<std::string, std::int64_t> smallest;
  const auto elements = [](const OpCase& op) {
    std::int64_t sum = 0;
    for (const Input& input : op.inputs) sum += input.shape.numel();
    return sum;
  };
  const auto op_table = op_cases();
  for (const OpCase& op : op_table) {
    const auto [known, first] = smallest.try_emplace(op.kernel, elements(op));
    known->second = std::min(known->second, elements(op));
  }
  const Device device = make_cuda_device();
  for (const OpCase& op : op_table) {
    if (elements(op) > std::max<std::int64_t>(smallest.at(op.kernel), 4000)) continue;
    for (const Dtype dtype : op.dtypes) check_case(op, dtype, 1, device);
  }
}

TEST_CASE("cuda: engines that were timed agree with the reference as well") {
  const Device device = make_cuda_device({.tune = true});
  for (const OpCase& op : op_cases()) {
    if (!op.kernel.starts_with("conv2d")) continue;
    for (const Dtype dtype : op.dtypes) check_case(op, dtype, 1, device);
  }
}

// Operands are rounded to 11 bits: of a sum of 512 products, whose terms may cancel, five deviations are 2e-3 of the sums' usual size, and
// twice that where a device cuts off instead of rounding.
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
