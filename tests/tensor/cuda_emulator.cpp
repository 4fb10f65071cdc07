// The emulator that runs the GPU's kernels on the host: it finds what a GPU would leave to chance.
#include "mec/tensor/backends/cuda/kernels/emulator.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <vector>

#include "mec/tensor/backends/cuda/kernels/threads.h"
#include "mec/tensor/error.h"

using namespace mec;
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
SIMT_KERNEL turns_kernel(int* y, std::int64_t n) {
  cuda::MEC_SIMT::for_each_index(n, [&](std::int64_t i) { ++y[i]; });
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

}  // namespace

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

TEST_CASE("emulator: a grid or a block that no device takes is an error") {
  std::vector<float> y(1);
  for (const simt::Grid& grid : {simt::Grid{.y = 65536}, simt::Grid{.x = std::int64_t{1} << 31}, simt::Grid{.threads = 1056},
                                 simt::Grid{.threads = 40}}) {
    CHECK_THROWS_AS(simt::launch("large", unwritten_kernel, grid, nullptr, y.data()), ValueError);
  }
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

TEST_CASE("emulator: the blocks of a loop are as many as run at a time, and those of any other grid as asked") {
  using simt::Grid, simt::LoopAxis;
  std::vector<int> counts(1000);
  const auto blocks_of = [&](const Grid& grid) {
    std::ranges::fill(counts, 0);
    const std::int64_t before = simt::blocks_run();
    simt::launch("turns", turns_kernel, grid, nullptr, counts.data(), 1000);
    CHECK(std::ranges::count(counts, 1) == 1000);
    return simt::blocks_run() - before;
  };
  simt::set_resident_blocks(3);
  CHECK(blocks_of({.x = 16, .threads = 64, .loop = LoopAxis::x}) == 3);
  CHECK(blocks_of({.x = 2, .threads = 64, .loop = LoopAxis::x}) == 2);
  CHECK(blocks_of({.x = 16, .threads = 64}) == 16);
  simt::set_resident_blocks(0);
  CHECK(blocks_of({.x = 16, .threads = 64, .loop = LoopAxis::x}) == 16);
}

TEST_CASE("grid: a loop along y is shortened, and its groups along x are kept") {
  using simt::fitted, simt::Grid, simt::LoopAxis;
  const Grid grid{.x = 4, .y = 100, .loop = LoopAxis::y};
  CHECK(fitted(grid, 42).y == 10);
  CHECK(fitted(grid, 42).x == 4);
  CHECK(fitted(grid, 3).y == 1);  // never none
  CHECK(fitted(grid, 1000).y == 100);
  CHECK(fitted({.x = 0, .y = 5, .loop = LoopAxis::y}, 3).x == 0);
}
