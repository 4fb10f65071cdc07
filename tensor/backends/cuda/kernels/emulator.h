// The language of simt.h on the host: each thread of a block is a fiber, blocks run one after the
// other.
//
// It finds errors that on a GPU would show by chance only. Warps run in an order that the caller
// chooses, each as far as the next barrier of the block, and the lanes of a warp in that order,
// each as far as the warp's; shared memory is poisoned before each block, and guarded. A barrier
// that some threads of a block (or lanes of a warp) never reach is an error.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <type_traits>
#include <utility>
#include <vector>

#include "mec/tensor/backends/cuda/kernels/grid.h"

#define MEC_SIMT emulated
#define SIMT_KERNEL void
#define SIMT_KERNEL_SHARING(blocks) void
#define SIMT_DEVICE inline
#define SIMT_SHARED(type, name, count) type* const name = ::mec::cuda::simt::shared_array<type>(count)
#define SIMT_UNROLL

namespace mec::cuda::simt::inline MEC_SIMT {

using Stream = void*;

// The order in which the warps of a block run between two barriers, and the lanes of a warp.
enum class ThreadOrder : std::uint8_t { forward, reverse, shuffled };
void set_thread_order(ThreadOrder order);

// Blocks of any kernel that run at a time, for grids that adapt to it; 0: any number.
void set_resident_blocks(std::int64_t blocks);
std::int64_t resident_blocks();
std::int64_t blocks_run();  // so far

// Where the running thread is.
struct Position {
  int thread = 0, threads = 0;
  std::int64_t block = 0, blocks = 0, block_y = 0, blocks_y = 0;
};
const Position& position();

inline int thread() { return position().thread; }
inline int threads() { return position().threads; }
inline std::int64_t block() { return position().block; }
inline std::int64_t blocks() { return position().blocks; }
inline std::int64_t block_y() { return position().block_y; }
inline std::int64_t blocks_y() { return position().blocks_y; }

void sync();

// Leaves `bytes` of value for the other lanes, waits for them, and returns what lane `from` left.
using LaneValue = std::array<std::byte, 16>;
LaneValue exchange(const LaneValue& value, int from);

template <class T> T from_lane(T value, int lane) {
  static_assert(std::is_trivially_copyable_v<T> && sizeof(T) <= sizeof(LaneValue));
  LaneValue bytes{};
  std::memcpy(bytes.data(), &value, sizeof(T));
  bytes = simt::exchange(bytes, lane);  // not std::exchange, which ADL would find
  std::memcpy(&value, bytes.data(), sizeof(T));
  return value;
}
template <class T> T shuffle_down(T value, int offset) {
  const int lane = thread() % 32;
  return from_lane(value, lane + offset < 32 ? lane + offset : lane);
}
template <class T> T shuffle_xor(T value, int mask) { return from_lane(value, thread() % 32 ^ mask); }

// The block's next array of shared memory: every thread of a block declares the same arrays in the
// same order.
void* shared_bytes(std::size_t bytes);
template <class T> T* shared_array(std::size_t count) {
  static_assert(std::is_trivially_copyable_v<T>);
  return static_cast<T*>(shared_bytes(count * sizeof(T)));
}

// Runs `body` as each thread of each block. Error, naming the kernel, for a barrier that not all
// reach, arrays of shared memory that differ between threads or exceed 48 KiB, and writes past
// their ends.
void run_grid(const char* kernel, const Grid& grid, const std::function<void()>& body);

// A launch on a stream, handed to a stand-in for the device: it may run later, and more than once.
struct Launch {
  const char* kernel;
  Stream stream;
  // The bytes of the parameters, which include every address that the kernel was given.
  std::vector<std::uintptr_t> words;
  std::function<void()> run;
};
void set_launcher(void (*launcher)(Launch));
void submit(Launch launch);  // Error where nobody set a launcher

// Padding is cleared, since what it holds is left over from something else and might look like an
// address.
#if defined(__has_builtin)
#if __has_builtin(__builtin_clear_padding)
#define MEC_CLEAR_PADDING(value) __builtin_clear_padding(&(value))
#endif
#endif
void add_bytes(std::vector<std::uintptr_t>& words, const void* from, std::size_t bytes);
template <class T> void add_words(std::vector<std::uintptr_t>& words, T value) {
  static_assert(std::is_trivially_copyable_v<T>);
#ifdef MEC_CLEAR_PADDING
  MEC_CLEAR_PADDING(value);
  add_bytes(words, &value, sizeof value);
#else
  if constexpr (std::has_unique_object_representations_v<T>) add_bytes(words, &value, sizeof value);
#endif
}

// Without a stream the kernel has run when this returns.
template <class... Parameters, class... Arguments>
void launch(const char* name, void (*kernel)(Parameters...), const Grid& wanted, Stream stream, const Arguments&... arguments) {
  const Grid grid = resident_blocks() ? fitted(wanted, resident_blocks()) : wanted;
  const auto run = [=] { run_grid(name, grid, [&] { kernel(Parameters(arguments)...); }); };
  if (!stream) return run();
  Launch asked{.kernel = name, .stream = stream, .words = {}, .run = run};
  (add_words(asked.words, Parameters(arguments)), ...);
  submit(std::move(asked));
}

}  // namespace mec::cuda::simt::inline MEC_SIMT
