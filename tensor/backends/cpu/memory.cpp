#include <cstring>

#include "mec/tensor/backends/cpu/loops.h"

namespace mec::cpu::MEC_ISA {
namespace {

constexpr std::int64_t kCopyGrain = 65536;  // bytes

void copy_bytes(Team team, const void* x, void* y, std::int64_t bytes) {
  const char* const from = static_cast<const char*>(x);
  char* const to = static_cast<char*>(y);
  parallel_for(team, bytes, kCopyGrain, [=](std::int64_t begin, std::int64_t end) {
    std::memcpy(to + begin, from + begin, static_cast<std::size_t>(end - begin));
  });
}

// In tiles of 16 x 16, so that both sides use the whole of each cache line.
template <class T> void transpose_matrix(Team team, const T* x, T* y, std::int64_t rows, std::int64_t columns) {
  constexpr std::int64_t kTile = 16;
  parallel_tasks(team, ceil_div(rows, kTile) * columns < 1024 ? 1 : ceil_div(columns, kTile), [=](std::int64_t task) {
    const bool alone = ceil_div(rows, kTile) * columns < 1024;
    const std::int64_t c0 = alone ? 0 : task * kTile, c1 = alone ? columns : smaller(c0 + kTile, columns);
    for (std::int64_t r0 = 0; r0 < rows; r0 += kTile) {
      const std::int64_t r1 = smaller(r0 + kTile, rows);
      for (std::int64_t c = c0; c < c1; ++c) {
        for (std::int64_t r = r0; r < r1; ++r) y[c * rows + r] = x[r * columns + c];
      }
    }
  });
}

}  // namespace

void run(LoopsBackend& device, const kernel::Copy& call) {
  const std::int64_t n = numel(call.x.shape);
  if (call.x.dtype == call.y.dtype) return copy_bytes(device.team(), call.x.data, call.y.data, n * size_of(call.x.dtype));
  dispatch_any(call.x.dtype, [&]<class From>() {
    dispatch_any(call.y.dtype, [&]<class To>() {
      using Value = std::conditional_t<std::is_same_v<To, bf16>, float, To>;  // put() rounds to bf16
      const From* const in = static_cast<const From*>(call.x.data);
      To* const out = static_cast<To*>(call.y.data);
      parallel_for(device.team(), n, kGrain, [=](std::int64_t begin, std::int64_t end) {
#pragma omp simd
        for (std::int64_t i = begin; i < end; ++i) put(out[i], converted<Value>(in[i]));
      });
    });
  });
}

void run(LoopsBackend& device, const kernel::CopyWhen& call) {
  if (functor::is_off(static_cast<const float*>(call.when.data))) return;
  copy_bytes(device.team(), call.x.data, call.y.data, numel(call.x.shape) * size_of(call.x.dtype));
}

void run(LoopsBackend& device, const kernel::Fill& call) {
  dispatch_any(call.y.dtype, [&]<class T>() {
    T* const out = static_cast<T*>(call.y.data);
    const T element = converted<T>(call.value);
    parallel_for(device.team(), numel(call.y.shape), kGrain, [=](std::int64_t begin, std::int64_t end) {
#pragma omp simd
      for (std::int64_t i = begin; i < end; ++i) out[i] = element;
    });
  });
}

void run(LoopsBackend& device, const kernel::Transpose& call) {
  const auto run = [&]<class T>() {
    transpose_matrix(device.team(), static_cast<const T*>(call.x.data), static_cast<T*>(call.y.data), call.x.shape[0],
                     call.x.shape[1]);
  };
  switch (size_of(call.x.dtype)) {  // only the size of an element matters
    case 1: return run.template operator()<std::uint8_t>();
    case 2: return run.template operator()<std::uint16_t>();
    case 4: return run.template operator()<std::uint32_t>();
    default: return run.template operator()<std::uint64_t>();
  }
}

void run(LoopsBackend& device, const kernel::GatherRows& call) {
  const std::int64_t count = numel(call.index.shape);
  if (count == 0) return;
  const std::int64_t row_bytes = numel(call.y.shape) / count * size_of(call.y.dtype);
  const std::int64_t count_in = call.x.shape[0];
  const auto* const rows = static_cast<const std::int64_t*>(call.index.data);
  const char* const from = static_cast<const char*>(call.x.data);
  char* const to = static_cast<char*>(call.y.data);
  parallel_for(device.team(), count, larger(1, kCopyGrain / larger(row_bytes, 1)), [=](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const auto size = static_cast<std::size_t>(row_bytes);
      if (rows[i] >= 0 && rows[i] < count_in) std::memcpy(to + i * row_bytes, from + rows[i] * row_bytes, size);
      else std::memset(to + i * row_bytes, 0xff, size);
    }
  });
}

constinit const MemoryKernels memory_kernels = KernelsOf<LoopsBackend, MemoryKernels>::table;

}  // namespace mec::cpu::MEC_ISA
