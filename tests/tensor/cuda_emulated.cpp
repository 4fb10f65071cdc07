// The GPU's hand-written kernels, run on the host, and the emulator that runs them.
#include <doctest/doctest.h>

#include <numeric>
#include <utility>
#include <vector>

#include "mec/tensor/cuda/threads.h"
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

constexpr ThreadOrder kOrders[] = {ThreadOrder::forward, ThreadOrder::reverse, ThreadOrder::shuffled};

// Sums 64 numbers of each block through shared memory; `synced` leaves the barrier out.
SIMT_KERNEL neighbour_kernel(const int* x, int* y, bool synced) {
  SIMT_SHARED(int, values, 64);
  values[simt::thread()] = x[simt::thread()];
  if (synced) simt::sync();
  y[simt::thread()] = values[(simt::thread() + 1) % 64];
}
SIMT_KERNEL divergent_kernel() {
  if (simt::thread() < 40) simt::sync();
}
SIMT_KERNEL half_warp_kernel(int* y) {
  if (simt::thread() < 16) y[simt::thread()] = simt::shuffle_xor(simt::thread(), 1);
}
SIMT_KERNEL overrun_kernel() {
  SIMT_SHARED(float, values, 32);
  values[simt::thread() + 1] = 1;
}
SIMT_KERNEL greedy_kernel() {
  SIMT_SHARED(double, values, 6145);
  values[0] = 1;
}
SIMT_KERNEL unwritten_kernel(float* y) {
  SIMT_SHARED(float, values, 32);
  y[simt::thread()] = values[simt::thread()];
}
SIMT_KERNEL sums_kernel(float* y) {
  SIMT_SHARED(float, shared, simt::kWarp);
  const float first = cuda::MEC_SIMT::block_sum(static_cast<float>(simt::thread()), shared);
  const float second = cuda::MEC_SIMT::block_sum(2.0F, shared);
  y[simt::thread()] = first + second;
}

std::vector<int> neighbours(bool synced) {
  std::vector<int> x(64), y(64);
  for (int i = 0; i < 64; ++i) x[static_cast<std::size_t>(i)] = 100 + i;
  simt::launch("neighbours", neighbour_kernel, {.threads = 64}, nullptr, x.data(), y.data(), synced);
  return y;
}

// Normal numbers around `shift` in f32, made on the host.
Tensor samples(const Shape& shape, const Device& device, double shift = 0) {
  return random(shape, Dtype::f32, make_reference_device(), {.shift = shift, .seed = 3}).to(device);
}

}  // namespace

TEST_CASE("emulated: every hand-written kernel agrees with the reference on every case, in three orders of threads") {
  const std::pair<ThreadOrder, std::int64_t> runs[] = {
      {ThreadOrder::forward, 1}, {ThreadOrder::reverse, 2}, {ThreadOrder::shuffled, 7}};
  for (const auto& run : runs) {
    CAPTURE(static_cast<int>(run.first));
    CAPTURE(run.second);
    simt::set_thread_order(run.first);
    check_device(make_emulated_device(run.second));
  }
  simt::set_thread_order(ThreadOrder::forward);
}

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
  static_cast<void>(Tensor({kSegments}, Dtype::f32, device));  // room for the result, and none for sums over so many segments
  device->allocator().freeze();
  CHECK_THROWS_AS(lars_rates(w, w, many, {}), MemoryError);
  device->allocator().freeze(false);
  for (const float rate : lars_rates(w, w, few, {.eta = 0.5}).to_vector<float>()) CHECK(rate == doctest::Approx(0.5));
}

TEST_CASE("emulator: a missing barrier gives wrong results in every order") {
  for (const ThreadOrder order : kOrders) {
    simt::set_thread_order(order);
    const std::vector<int> right = neighbours(true);
    for (int i = 0; i < 64; ++i) CHECK(right[static_cast<std::size_t>(i)] == 100 + (i + 1) % 64);
    CHECK(neighbours(false) != right);
  }
  simt::set_thread_order(ThreadOrder::forward);
}

TEST_CASE("emulator: sums within a block are whole, and their memory may be used again at once") {
  for (const ThreadOrder order : kOrders) {
    simt::set_thread_order(order);
    std::vector<float> y(96);
    simt::launch("sums", sums_kernel, {.threads = 96}, nullptr, y.data());
    for (const float value : y) CHECK(value == 95 * 96 / 2 + 2 * 96);
  }
  simt::set_thread_order(ThreadOrder::forward);
}

TEST_CASE("emulator: a barrier that some threads do not reach is an error") {
  CHECK_THROWS_WITH_AS(simt::launch("divergent", divergent_kernel, {.threads = 64}, nullptr),
                       doctest::Contains("divergent in block 0: a barrier is not reached by all"), Error);
  std::vector<int> y(32);
  CHECK_THROWS_WITH_AS(simt::launch("half", half_warp_kernel, {.threads = 32}, nullptr, y.data()),
                       doctest::Contains("16 for their warp, 16 have ended"), Error);
}

TEST_CASE("emulator: shared memory is poisoned, guarded and limited") {
  CHECK_THROWS_WITH_AS(simt::launch("overrun", overrun_kernel, {.threads = 32}, nullptr),
                       doctest::Contains("wrote past the end of shared memory"), Error);
  CHECK_THROWS_WITH_AS(simt::launch("greedy", greedy_kernel, {.threads = 32}, nullptr), doctest::Contains("more than 48 KiB"),
                       Error);
  std::vector<float> y(32);
  simt::launch("unwritten", unwritten_kernel, {.threads = 32}, nullptr, y.data());
  for (const float value : y) CHECK(value != value);
}
