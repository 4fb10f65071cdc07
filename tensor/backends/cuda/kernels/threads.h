// How the threads of a kernel share work: loops over elements, packs of 16 bytes, sums within a
// warp and a block.
#pragma once

#include <algorithm>
#include <cstdint>

#include "mec/tensor/backends/cuda/kernels/simt.h"
#include "mec/tensor/dtype.h"

namespace mec::cuda::MEC_SIMT {

using simt::kBlock;
using simt::kWarp;

constexpr std::int64_t ceil_div(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

// Calls body(i) for each i < n, shared out among all threads of the grid.
template <class F> SIMT_DEVICE void for_each_index(std::int64_t n, F body) {
  const std::int64_t stride = simt::blocks() * simt::threads();
  for (std::int64_t i = simt::block() * simt::threads() + simt::thread(); i < n; i += stride) body(i);
}

// Calls body(i) for each i < n, shared out among the blocks: all threads of a block get the same i,
// and may meet at barriers.
template <class F> SIMT_DEVICE void for_each_piece(std::int64_t n, F body) {
  for (std::int64_t i = simt::block(); i < n; i += simt::blocks()) body(i);
}

// V neighbours in memory, moved at once: 16 bytes are what a thread can read in one instruction.
template <class T, int V> struct alignas(sizeof(T) * V < 16 ? sizeof(T) * V : 16) Pack { T at[V]; };
template <class T> constexpr int kPack = static_cast<int>(16 / sizeof(T));

template <int V, class T> SIMT_DEVICE Pack<T, V> load_pack(const T* from) { return *reinterpret_cast<const Pack<T, V>*>(from); }
template <int V, class T> SIMT_DEVICE void store_pack(T* to, const Pack<T, V>& values) {
  *reinterpret_cast<Pack<T, V>*>(to) = values;
}

// use(i, load(i)) for i = first, first + step, … below n. `kBatch` loads are on their way before
// the first is used: a thread that waits for one at a time leaves most of the memory's bandwidth
// idle.
template <int kBatch, class Load, class Use>
SIMT_DEVICE void for_each_loaded(std::int64_t first, std::int64_t step, std::int64_t n, Load load, Use use) {
  std::int64_t i = first;
  for (; i + (kBatch - 1) * step < n; i += kBatch * step) {
    decltype(load(i)) batch[kBatch];
    SIMT_UNROLL for (int b = 0; b < kBatch; ++b) batch[b] = load(i + b * step);
    SIMT_UNROLL for (int b = 0; b < kBatch; ++b) use(i + b * step, batch[b]);
  }
  for (; i < n; i += step) use(i, load(i));
}

// Whether all of these may be moved in packs; a null pointer counts as aligned.
template <class... T> bool aligned_for_packs(const T*... pointers) {
  return ((reinterpret_cast<std::uintptr_t>(pointers) % 16 == 0) && ...);
}

// Whether the packs of all these arrays begin at the same elements, though perhaps not at their
// first: for for_span.
template <class T, class... Others> bool equally_aligned(const T* first, const Others*... others) {
  static_assert(((sizeof(Others) == sizeof(T)) && ...));
  return ((reinterpret_cast<std::uintptr_t>(first) % 16 == reinterpret_cast<std::uintptr_t>(others) % 16) && ...);
}

// Calls body.operator()<W>(i) for what lies in [begin, end) of `array`, shared out among `lanes`
// threads (at least V) of which the caller is number `lane`: W = V for the elements [i, i + V) of a
// pack, W = 1 for the few before the first pack and after the last.
template <int V, class T, class F>
SIMT_DEVICE void for_span(const T* array, std::int64_t begin, std::int64_t end, std::int64_t lane, std::int64_t lanes, F body) {
  if constexpr (V > 1) {
    const auto bytes_ahead = (0 - reinterpret_cast<std::uintptr_t>(array + begin)) % (V * sizeof(T));
    const std::int64_t first = std::min(end, begin + static_cast<std::int64_t>(bytes_ahead / sizeof(T)));
    const std::int64_t last = first + (end - first) / V * V;
    if (lane < first - begin) body.template operator()<1>(begin + lane);
    for (std::int64_t i = first + lane * V; i < last; i += lanes * V) body.template operator()<V>(i);
    begin = last;
  }
  for (std::int64_t i = begin + lane; i < end; i += lanes) body.template operator()<1>(i);
}

// out[i] = f(in[i]...) for each i < n, V at a time. `out` may be one of `in`.
template <int V, class Out, class F, class... In> SIMT_DEVICE void map_pack(Out* out, F& f, const Pack<In, V>&... in) {
  Pack<Out, V> result;
  for (int v = 0; v < V; ++v) result.at[v] = Out(f(in.at[v]...));
  *reinterpret_cast<Pack<Out, V>*>(out) = result;
}
template <int V, class Out, class F, class... In>
SIMT_DEVICE void map_elements(std::int64_t n, Out* out, F f, const In*... in) {
  for_each_index(ceil_div(n, V), [&](std::int64_t pack) {
    const std::int64_t i = pack * V;
    if (i + V <= n) {
      map_pack<V>(out + i, f, load_pack<V>(in + i)...);
    } else {
      for (std::int64_t j = i; j < n; ++j) out[j] = Out(f(in[j]...));
    }
  });
}

// Sum over the lanes of a warp, in a fixed order; every lane gets it.
template <class A> SIMT_DEVICE A warp_sum(A value) {
  for (int mask = kWarp / 2; mask > 0; mask /= 2) value += simt::shuffle_xor(value, mask);
  return value;
}

// Sum over the threads of a block, in a fixed order; every thread gets it. `shared` has kWarp
// elements, and may be used again at once.
template <class A> SIMT_DEVICE A block_sum(A value, A* shared) {
  const int warp = simt::thread() / kWarp, lane = simt::thread() % kWarp, warps = simt::threads() / kWarp;
  value = warp_sum(value);
  simt::sync();
  if (lane == 0) shared[warp] = value;
  simt::sync();
  return warp_sum(lane < warps ? shared[lane] : A(0));
}

}  // namespace mec::cuda::MEC_SIMT
