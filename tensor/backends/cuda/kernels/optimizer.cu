#include "mec/tensor/backends/cuda/kernels/kernel_backend.h"

namespace mec::cuda::MEC_SIMT {
namespace {

// A block takes this many elements of the flat buffer at a time, whatever segments they belong to:
// a batch norm's 64 weights and a layer's millions then take time in proportion to their number.
constexpr std::int64_t kPiece = 8192;

// Segment s is [at(s), at(s + 1)); `count` of them, in a buffer of `size`.
struct Segments {
  const std::int64_t* offsets;
  std::int64_t count, size;

  SIMT_DEVICE std::int64_t at(std::int64_t s) const { return functor::cut_to(size, offsets[s]); }

  // The segment of element i, known to be one of [low, high]: the last to begin at or before i,
  // since others may be empty.
  SIMT_DEVICE std::int64_t of(std::int64_t i, std::int64_t low, std::int64_t high) const {
    while (low < high) {
      const std::int64_t middle = (low + high + 1) / 2;
      if (offsets[middle] <= i) low = middle;
      else high = middle - 1;
    }
    return low;
  }
};

// The part of one piece of the buffer that lies within segments: elements [begin, end), of segments
// first…last.
struct Piece {
  std::int64_t begin, end, first, last;

  static SIMT_DEVICE Piece of(std::int64_t number, const Segments& segments) {
    Piece piece{std::max(number * kPiece, segments.at(0)), std::min((number + 1) * kPiece, segments.at(segments.count)), 0, -1};
    if (piece.begin >= piece.end) return piece;
    piece.first = segments.of(piece.begin, 0, segments.count - 1);
    piece.last = segments.of(piece.end - 1, piece.first, segments.count - 1);
    return piece;
  }
};

// body.operator()<W>(i, trust ratio of the segment) for the elements [i, i + W) of one segment,
// over all of the buffer w, which has n.
template <int V, class T, class F>
SIMT_DEVICE void for_each_segment(const T* w, std::int64_t n, const Segments& segments, const T* trust_ratios, F body) {
  for_each_piece(ceil_div(n, kPiece), [&](std::int64_t number) {
    const Piece piece = Piece::of(number, segments);
    if (piece.begin >= piece.end) return;
    // Few pieces hold more than one segment, so a search for each element may be slow.
    if (trust_ratios && piece.first < piece.last) {
      for (std::int64_t i = piece.begin + simt::thread(); i < piece.end; i += simt::threads())
        body.template operator()<1>(i, trust_ratios[segments.of(i, piece.first, piece.last)]);
      return;
    }
    const T trust = trust_ratios ? trust_ratios[piece.first] : T(1);
    for_span<V>(w, piece.begin, piece.end, simt::thread(), simt::threads(),
                [&]<int W>(std::int64_t i) { body.template operator()<W>(i, trust); });
  });
}

template <int V, class T>
SIMT_KERNEL sgd_kernel(T* w, const T* g, T* v, std::int64_t n, const T* lr, Segments segments, const T* trust_ratios,
                       functor::SgdStep<T> step, const float* when) {
  if (functor::is_off(when)) return;
  step.lr *= lr[0];
  for_each_segment<V>(w, n, segments, trust_ratios, [&]<int W>(std::int64_t i, T trust) {
    Pack<T, W> weight = load_pack<W>(w + i), velocity = load_pack<W>(v + i);
    const Pack<T, W> gradient = load_pack<W>(g + i);
    step.trust = trust;
    for (int e = 0; e < W; ++e) step(weight.at[e], gradient.at[e], velocity.at[e]);
    store_pack<W>(w + i, weight);
    store_pack<W>(v + i, velocity);
  });
}

template <int V, class T>
SIMT_KERNEL adamw_kernel(T* w, const T* g, T* m, T* v, std::int64_t n, const T* lr, const T* correction, Segments segments,
                         const T* trust_ratios, functor::AdamWStep<T> step, const float* when) {
  if (functor::is_off(when)) return;
  step.read(lr[0], correction);
  for_each_segment<V>(w, n, segments, trust_ratios, [&]<int W>(std::int64_t i, T trust) {
    Pack<T, W> weight = load_pack<W>(w + i), first = load_pack<W>(m + i), second = load_pack<W>(v + i);
    const Pack<T, W> gradient = load_pack<W>(g + i);
    step.trust = trust;
    for (int e = 0; e < W; ++e) step(weight.at[e], gradient.at[e], first.at[e], second.at[e]);
    store_pack<W>(w + i, weight);
    store_pack<W>(m + i, first);
    store_pack<W>(v + i, second);
  });
}

template <class T> struct SquareSums { T w, g; };

// partial[piece + segment] = the sums over the part of the segment that lies in the piece. From one
// such part to the next, at least one of the two numbers grows and none falls: each part has a
// place of its own.
template <int V, class T>
SIMT_KERNEL lars_squares_kernel(const T* w, const T* g, std::int64_t n, Segments segments, SquareSums<T>* partial) {
  SIMT_SHARED(T, shared, kWarp);
  for_each_piece(ceil_div(n, kPiece), [&](std::int64_t number) {
    const Piece piece = Piece::of(number, segments);
    for (std::int64_t s = piece.first; s <= piece.last; ++s) {
      const std::int64_t begin = std::max(piece.begin, segments.at(s));
      const std::int64_t end = std::min(piece.end, segments.at(s + 1));
      SquareSums<T> sums{T(0), T(0)};
      for_span<V>(w, begin, end, simt::thread(), simt::threads(), [&]<int W>(std::int64_t i) {
        const Pack<T, W> weight = load_pack<W>(w + i), gradient = load_pack<W>(g + i);
        for (int e = 0; e < W; ++e) {
          sums.w += weight.at[e] * weight.at[e];
          sums.g += gradient.at[e] * gradient.at[e];
        }
      });
      sums = {block_sum(sums.w, shared), block_sum(sums.g, shared)};
      if (simt::thread() == 0) partial[number + s] = sums;
    }
  });
}

// A warp for each segment.
template <class T>
SIMT_KERNEL lars_trust_ratios_kernel(const SquareSums<T>* partial, Segments segments, T* trust_ratios,
                                     functor::LarsTrustRatio<T> ratio) {
  const std::int64_t warps = simt::threads() / kWarp, lane = simt::thread() % kWarp;
  for (std::int64_t s = simt::block() * warps + simt::thread() / kWarp; s < segments.count; s += simt::blocks() * warps) {
    const std::int64_t begin = segments.at(s), end = segments.at(s + 1);
    SquareSums<T> sums{T(0), T(0)};
    for (std::int64_t piece = begin / kPiece + lane; piece * kPiece < end && begin < end; piece += kWarp) {
      sums.w += partial[piece + s].w;
      sums.g += partial[piece + s].g;
    }
    const T trust = ratio(std::sqrt(warp_sum(sums.w)), std::sqrt(warp_sum(sums.g)));
    if (lane == 0) trust_ratios[s] = trust;
  }
}

template <int V, class T>
SIMT_KERNEL ema_kernel(T* teacher, const T* w, std::int64_t n, const T* coefficient, const float* when) {
  if (functor::is_off(when)) return;
  const functor::EmaStep<T> step{coefficient[0]};
  for_span<V>(teacher, 0, n, simt::block() * simt::threads() + simt::thread(), simt::blocks() * simt::threads(),
              [&]<int W>(std::int64_t i) {
                Pack<T, W> values = load_pack<W>(teacher + i);
                const Pack<T, W> weight = load_pack<W>(w + i);
                for (int e = 0; e < W; ++e) step(values.at[e], weight.at[e]);
                store_pack<W>(teacher + i, values);
              });
}

Segments segments_of(const In& offsets, std::int64_t size) { return {offsets.as<std::int64_t>(), offsets.numel() - 1, size}; }

}  // namespace

void run(KernelBackend& device, const kernel::SgdUpdate& call) {
  const std::int64_t n = call.w.numel();
  dispatch_real(call.name, call.w.dtype, [&]<class T>() {
    const functor::SgdStep<T> scalars{T(call.args.lr_factor), T(1), T(call.args.momentum), T(call.args.weight_decay)};
    device.with_packs<T>(n, equally_aligned(call.w.as<T>(), call.g.as<T>(), call.v.as<T>()), [&]<int V>(const simt::Grid&) {
      simt::launch(call.name, sgd_kernel<V, T>, device.grid_of_pieces(ceil_div(n, kPiece)), device.stream(), call.w.as<T>(),
                   call.g.as<T>(), call.v.as<T>(), n, call.lr.as<T>(), segments_of(call.offsets, n), call.trust_ratios.as<T>(),
                   scalars, call.when.as<float>());
    });
  });
}

void run(KernelBackend& device, const kernel::AdamWUpdate& call) {
  const std::int64_t n = call.w.numel();
  dispatch_real(call.name, call.w.dtype, [&]<class T>() {
    device.with_packs<T>(n, equally_aligned(call.w.as<T>(), call.g.as<T>(), call.m.as<T>(), call.v.as<T>()),
                         [&]<int V>(const simt::Grid&) {
                           simt::launch(call.name, adamw_kernel<V, T>, device.grid_of_pieces(ceil_div(n, kPiece)),
                                        device.stream(), call.w.as<T>(), call.g.as<T>(), call.m.as<T>(), call.v.as<T>(), n,
                                        call.lr.as<T>(), call.correction.as<T>(), segments_of(call.offsets, n),
                                        call.trust_ratios.as<T>(), functor::AdamWStep<T>::of(call.args), call.when.as<float>());
                         });
  });
}

void run(KernelBackend& device, const kernel::LarsTrustRatios& call) {
  const std::int64_t n = call.w.numel(), pieces = ceil_div(n, kPiece);
  const Segments segments = segments_of(call.offsets, n);
  dispatch_real(call.name, call.w.dtype, [&]<class T>() {
    auto* const partial = device.scratch_array<SquareSums<T>>(pieces + segments.count);
    device.with_packs<T>(n, equally_aligned(call.w.as<T>(), call.g.as<T>()), [&]<int V>(const simt::Grid&) {
      simt::launch(call.name, lars_squares_kernel<V, T>, device.grid_of_pieces(pieces), device.stream(), call.w.as<T>(),
                   call.g.as<T>(), n, segments, partial);
    });
    const functor::LarsTrustRatio<T> ratio{T(call.args.eta), T(call.args.weight_decay), T(call.args.eps)};
    simt::launch(call.name, lars_trust_ratios_kernel<T>, device.grid_for(segments.count * kWarp), device.stream(), partial,
                 segments, call.trust_ratios.as<T>(), ratio);
  });
}

void run(KernelBackend& device, const kernel::EmaUpdate& call) {
  const std::int64_t n = call.w.numel();
  dispatch_real(call.name, call.w.dtype, [&]<class T>() {
    device.with_packs<T>(n, equally_aligned(call.teacher.as<T>(), call.w.as<T>()), [&]<int V>(const simt::Grid& grid) {
      simt::launch(call.name, ema_kernel<V, T>, grid, device.stream(), call.teacher.as<T>(), call.w.as<T>(), n,
                   call.coefficient.as<T>(), call.when.as<float>());
    });
  });
}

constinit const OptimizerKernels optimizer_kernels = KernelsOf<KernelBackend, OptimizerKernels>::table;

}  // namespace mec::cuda::MEC_SIMT
