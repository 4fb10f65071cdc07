#include "mec/tensor/backends/cpu/loops.h"
#include "mec/tensor/backends/cpu/tiles.h"

namespace mec::cpu::MEC_ISA {
namespace {

template <class T> Accumulator<T> sum_of(const T* x, std::int64_t n) {
  using A = Accumulator<T>;
  A sum = 0;
#pragma omp simd reduction(+ : sum)
  for (std::int64_t i = 0; i < n; ++i) sum += A(x[i]);
  return sum;
}

}  // namespace

void LoopsBackend::reduce(Reduce how, In x, Out y) {
  const std::int64_t n = numel(x.shape);
  with_floating(x.dtype, [&]<class T>() {
    using A = Accumulator<T>;
    const T* const in = static_cast<const T*>(x.data);
    A* const out = static_cast<A*>(y.data);
    if (n == 0) {
      for (std::int64_t i = 0; i < numel(y.shape); ++i) out[i] = A(0);
    } else if (how == Reduce::over_columns) {
      const std::int64_t columns = columns_of(x.shape);
      parallel_for(threads(), numel(y.shape), larger(kGrain / columns, 1), [=](std::int64_t begin, std::int64_t end) {
        for (std::int64_t r = begin; r < end; ++r) out[r] = sum_of(in + r * columns, columns);
      });
    } else if (how == Reduce::all) {
      const std::int64_t pieces = ceil_div(n, kGrain);
      const Scratch scratch(*this, static_cast<std::size_t>(pieces) * sizeof(A));
      A* const sums = reinterpret_cast<A*>(scratch.data());
      parallel_tasks(threads(), pieces,
                     [=](std::int64_t i) { sums[i] = sum_of(in + i * kGrain, smaller(kGrain, n - i * kGrain)); });
      double total = 0;
      for (std::int64_t i = 0; i < pieces; ++i) total += static_cast<double>(sums[i]);
      out[0] = A(total);
    } else {
      const Cut cut(n, columns_of(x.shape), kSumWidth);
      const Scratch scratch(*this, static_cast<std::size_t>(cut.chunks * cut.width) * sizeof(A));
      A* const sums = reinterpret_cast<A*>(scratch.data());
      parallel_tasks(threads(), cut.tasks(), [=](std::int64_t task) {
        const Tile tile(cut, task);
        A sum[kPanel] = {};
        for_rows<kSumRows>(cut, tile, [&]<class R>(std::int64_t at, std::int64_t columns, R) {
          const T* const row = in + at;
#pragma omp simd
          for (std::int64_t v = 0; v < columns; ++v) {
            for (std::int64_t r = 0; r < R::count; ++r) sum[v] += A(row[r * cut.width + v]);
          }
        });
        for (std::int64_t v = 0; v < tile.columns; ++v) sums[tile.chunk * cut.width + tile.left + v] = sum[v];
      });
      for (std::int64_t c = 0; c < cut.channels; ++c) out[c] = A(sum_of_parts(cut, sums, c));
    }
  });
}

void LoopsBackend::all_finite(In x, Out flag) {
  const std::int64_t n = numel(x.shape), pieces = ceil_div(n, kGrain);
  const Scratch scratch(*this, static_cast<std::size_t>(pieces) * sizeof(int));
  int* const bad = reinterpret_cast<int*>(scratch.data());
  with_floating(x.dtype, [&]<class T>() {
    using A = Accumulator<T>;
    const T* const in = static_cast<const T*>(x.data);
    parallel_tasks(threads(), pieces, [=](std::int64_t piece) {
      int found = 0;
#pragma omp simd reduction(| : found)
      for (std::int64_t i = piece * kGrain; i < smaller(n, (piece + 1) * kGrain); ++i) {
        const A difference = A(in[i]) - A(in[i]);  // 0 for all but NaN and infinity
        found |= difference == A(0) ? 0 : 1;
      }
      bad[piece] = found;
    });
  });
  int found = 0;
  for (std::int64_t i = 0; i < pieces; ++i) found |= bad[i];
  *static_cast<float*>(flag.data) = found ? 0.0F : 1.0F;
}

}  // namespace mec::cpu::MEC_ISA
