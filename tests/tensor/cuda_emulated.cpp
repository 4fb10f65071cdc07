// The GPU's hand-written kernels, run on the host in three orders of threads.
#include <doctest/doctest.h>

#include <algorithm>
#include <iterator>
#include <numeric>
#include <string_view>
#include <utility>
#include <vector>

#include "mec/tensor/backend.h"
#include "mec/tensor/devices.h"
#include "mec/tensor/ops.h"
#include "support/compare.h"
#include "support/emulated_device.h"
#include "support/op_cases.h"

using namespace mec;
using namespace mec::test;
namespace simt = mec::cuda::simt;
using simt::ThreadOrder;

namespace {

// Each order of threads with numbers of its own, and a grid that makes threads go round more or
// less often.
void check_emulated(std::string_view name) {
  const auto* const family = std::ranges::find(kOpFamilies, name, &OpFamily::name);
  REQUIRE(family != std::end(kOpFamilies));
  struct Run {
    ThreadOrder order;
    std::int64_t grid_limit;
  };
  const Run runs[] = {{ThreadOrder::forward, 1}, {ThreadOrder::reverse, 2}, {ThreadOrder::shuffled, 7}};
  std::uint64_t seed = 0;
  for (const Run& run : runs) {
    CAPTURE(static_cast<int>(run.order));
    CAPTURE(run.grid_limit);
    simt::set_thread_order(run.order);
    check_family(*family, make_emulated_device(run.grid_limit), ++seed);
  }
  simt::set_thread_order(ThreadOrder::forward);
}

// Normal numbers around `shift` in f32, made on the host.
Tensor samples(const Shape& shape, const Device& device, double shift = 0) {
  return random(shape, Dtype::f32, make_reference_device(), {.shift = shift, .seed = 3}).to(device);
}

}  // namespace

// A case for each family: a failure names its culprit soon.
static_assert(std::size(kOpFamilies) == 9, "a family of kernels needs a case here");
TEST_CASE("emulated: kernels that move and fill agree with the reference") { check_emulated("memory"); }
TEST_CASE("emulated: kernels element by element agree with the reference") { check_emulated("elementwise"); }
TEST_CASE("emulated: tiled products agree with the reference, and convolutions reach their library as they are meant") {
  check_emulated("products");
}
TEST_CASE("emulated: kernels of batch norm agree with the reference") { check_emulated("batch_norm"); }
TEST_CASE("emulated: kernels that pool agree with the reference") { check_emulated("pooling"); }
TEST_CASE("emulated: kernels on rows agree with the reference") { check_emulated("rows"); }
TEST_CASE("emulated: kernels on matrices agree with the reference") { check_emulated("matrices"); }
TEST_CASE("emulated: kernels of t-SNE agree with the reference") { check_emulated("tsne"); }
TEST_CASE("emulated: kernels of optimisers agree with the reference") { check_emulated("optimizer"); }

TEST_CASE("emulated: sums have the same bits in any order of the threads") {
  const auto sums = [](const Device& device) {
    const Tensor x = samples({1300, 40}, device), dy = samples({1300, 40}, device);
    const BatchNormStatistics s = batch_norm_statistics(x);
    const BatchNormSums gradients = batch_norm_grad_reduce(dy, x, {}, s, {}, {}, {.relu = true});
    const Tensor all = reduce(Reduce::all, x.reshape({x.numel()})), rows = reduce(Reduce::over_columns, x);
    std::vector<float> values;
    for (const Tensor& t : {s.mean, s.var, gradients.dgamma, gradients.dbeta, all, rows}) {
      for (const float value : t.to_vector<float>()) values.push_back(value);
    }
    return values;
  };
  for (const std::int64_t grid_limit : {1, 7}) {
    CAPTURE(grid_limit);
    const Device device = make_emulated_device(grid_limit);
    simt::set_thread_order(ThreadOrder::forward);
    const std::vector<float> forward = sums(device);
    for (const ThreadOrder order : {ThreadOrder::reverse, ThreadOrder::shuffled}) {
      simt::set_thread_order(order);
      CHECK(sums(device) == forward);
    }
    simt::set_thread_order(ThreadOrder::forward);
  }
}

TEST_CASE("emulated: results have the same bits however many blocks run at a time") {
  std::int64_t blocks[2] = {};
  for (const OpCase& op : op_cases()) {
    if (op.kernel.starts_with("conv2d")) continue;  // a library's
    for (const Dtype dtype : op.dtypes) {
      std::vector<std::vector<std::byte>> bits[2];
      for (const int few : {0, 1}) {
        simt::set_resident_blocks(few ? 3 : 0);
        const Device device = make_emulated_device(64);
        const std::int64_t before = simt::blocks_run();
        for (const Tensor& result : op.run(make_inputs(op, 1, dtype, dtype, device))) {
          result.download(bits[few].emplace_back(result.bytes()).data());
        }
        blocks[few] += simt::blocks_run() - before;
      }
      CHECK_MESSAGE(bits[0] == bits[1], op.name, " ", dtype);
    }
  }
  simt::set_resident_blocks(0);
  CHECK(blocks[1] < blocks[0]);
}

TEST_CASE("emulated: loops are shared out among the blocks that run at a time, and sums among as many as ever") {
  const Device device = make_emulated_device(64);
  const Tensor x = samples({40'000, 8}, device), y = x.clone();
  const BatchNormStatistics s = batch_norm_statistics(x);
  const auto blocks_of = [&](const auto& work) {
    simt::set_resident_blocks(5);
    const std::int64_t before = simt::blocks_run();
    work();
    const std::int64_t blocks = simt::blocks_run() - before;
    simt::set_resident_blocks(0);
    return blocks;
  };
  CHECK(blocks_of([&] { add_into(x, y); }) == 5);
  CHECK(blocks_of([&] { batch_norm_apply(x, s, {}, {}, {}, {}); }) == 5);
  CHECK(blocks_of([&] { batch_norm_statistics(x); }) > 10);
  CHECK(blocks_of([&] { reduce(Reduce::all, x.reshape({x.numel()})); }) > 10);
}

TEST_CASE("emulated: batch statistics keep their digits when the mean is a thousand deviations away") {
  for (const std::int64_t grid_limit : {1, 7}) {
    const Tensor x = samples({5000, 3}, make_emulated_device(grid_limit), 1000.0);
    const auto fast = batch_norm_statistics(x);
    const auto exact = batch_norm_statistics(x.to(make_reference_device()).to(Dtype::f64));
    // Naive sums of squares in f32 would be off by 10^6 · 2^-24 = 0.06 of a variance of 1.
    CHECK(compare(fast.var, exact.var, {.relative = 1e-4}).ok);
    CHECK(compare(fast.mean, exact.mean, {.relative = 1e-6}).ok);
  }
}

TEST_CASE("emulated: a workspace that was refused is not taken for one that is there") {
  const Device device = make_emulated_device(7);
  constexpr std::int64_t kSegments = 400'000;
  std::vector<std::int64_t> bounds(kSegments + 1);
  std::iota(bounds.begin(), bounds.end(), 0);
  const Tensor w = Tensor::full({kSegments}, 1, Dtype::f32, device), many = Tensor::from(bounds, {kSegments + 1}, device);
  const Tensor few = Tensor::from<std::int64_t>({0, 100, 300}, {3}, device);
  // Room for the result, and none for sums over so many segments.
  static_cast<void>(Tensor({kSegments}, Dtype::f32, device));
  device->allocator().freeze();
  CHECK_THROWS_AS(lars_trust_ratios(w, w, many, {}), MemoryError);
  device->allocator().freeze(false);
  for (const float trust : lars_trust_ratios(w, w, few, {.eta = 0.5}).to_vector<float>()) CHECK(trust == doctest::Approx(0.5));
}
