#include "mec/tensor/backends/cpu/loops.h"
#include "mec/tensor/backends/cpu/tiles.h"

namespace mec::cpu::MEC_ISA {

void run(LoopsBackend& device, const kernel::Reduce& call) {
  const std::int64_t n = numel(call.x.shape);
  with_floating(call.x.dtype, [&]<class T>() {
    using A = Accumulator<T>;
    const T* const in = static_cast<const T*>(call.x.data);
    A* const out = static_cast<A*>(call.y.data);
    if (n == 0) {
      for (std::int64_t i = 0; i < numel(call.y.shape); ++i) out[i] = A(0);
    } else if (call.how == Reduce::over_columns) {
      const std::int64_t columns = columns_of(call.x.shape);
      parallel_for(device.team(), numel(call.y.shape), larger(kGrain / columns, 1),
                   [=](std::int64_t begin, std::int64_t end) {
                     for (std::int64_t r = begin; r < end; ++r) out[r] = sum_of(in + r * columns, columns);
                   });
    } else if (call.how == Reduce::all) {
      const std::int64_t pieces = ceil_div(n, kGrain);
      const CpuBackend::Scratch scratch(device, static_cast<std::size_t>(pieces) * sizeof(A));
      A* const sums = reinterpret_cast<A*>(scratch.data());
      parallel_tasks(device.team(), pieces,
                     [=](std::int64_t i) { sums[i] = sum_of(in + i * kGrain, smaller(kGrain, n - i * kGrain)); });
      double total = 0;
      for (std::int64_t i = 0; i < pieces; ++i) total += static_cast<double>(sums[i]);
      out[0] = A(total);
    } else {
      const Cut cut(n, columns_of(call.x.shape), kSumWidth);
      const CpuBackend::Scratch scratch(device, static_cast<std::size_t>(cut.chunks * cut.width) * sizeof(A));
      A* const sums = reinterpret_cast<A*>(scratch.data());
      parallel_tasks(device.team(), cut.tasks(), [=](std::int64_t task) {
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

void run(LoopsBackend& device, const kernel::AllFinite& call) {
  const std::int64_t n = numel(call.x.shape), pieces = ceil_div(n, kGrain);
  const CpuBackend::Scratch scratch(device, static_cast<std::size_t>(pieces) * sizeof(int));
  int* const bad = reinterpret_cast<int*>(scratch.data());
  with_floating(call.x.dtype, [&]<class T>() {
    using A = Accumulator<T>;
    const T* const in = static_cast<const T*>(call.x.data);
    parallel_tasks(device.team(), pieces, [=](std::int64_t piece) {
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
  *static_cast<float*>(call.flag.data) = found ? 0.0F : 1.0F;
}

constinit const ReduceKernels reduce_kernels = KernelsOf<LoopsBackend, ReduceKernels>::table;

}  // namespace mec::cpu::MEC_ISA
