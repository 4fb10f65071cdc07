#include <cmath>

#include "mec/tensor/backends/cpu/loops.h"

namespace mec::cpu::MEC_ISA {
namespace {

constexpr std::int64_t kTile = 32;

// body(row, column, rows, columns) over the square tiles of a band of kTile rows.
template <class F> void for_tiles(std::int64_t n, std::int64_t band, F body) {
  const std::int64_t row = band * kTile, rows = smaller(kTile, n - row);
  for (std::int64_t column = 0; column < n; column += kTile) body(row, column, rows, smaller(kTile, n - column));
}

// t[i][j] = x[column + j][row + i]: the tile of xᵀ, read along the rows of x.
template <class T>
void load_transposed(const T* x, std::int64_t n, std::int64_t row, std::int64_t column, std::int64_t rows, std::int64_t columns,
                     T (*t)[kTile]) {
  for (std::int64_t j = 0; j < columns; ++j) {
    const T* const from = x + (column + j) * n + row;
    for (std::int64_t i = 0; i < rows; ++i) t[i][j] = from[i];
  }
}

// Σ a_ij b_ji over one band of rows of a.
template <class T> double band_of_product_trace(const T* a, const T* b, std::int64_t n, std::int64_t band) {
  double total = 0;
  for_tiles(n, band, [&](std::int64_t row, std::int64_t column, std::int64_t rows, std::int64_t columns) {
    T t[kTile][kTile];
    load_transposed(b, n, row, column, rows, columns, t);
    for (std::int64_t i = 0; i < rows; ++i) {
      T sum = 0;
      const T* const left = a + (row + i) * n + column;
#pragma omp simd reduction(+ : sum)
      for (std::int64_t j = 0; j < columns; ++j) sum += left[j] * t[i][j];
      total += static_cast<double>(sum);
    }
  });
  return total;
}

template <class T> T norm(const T* x, std::int64_t n) {
  T sum = 0;
#pragma omp simd reduction(+ : sum)
  for (std::int64_t i = 0; i < n; ++i) sum += x[i] * x[i];
  return std::sqrt(sum);
}

}  // namespace

void run(LoopsBackend& device, const kernel::PowerTraces& call) {
  const std::int64_t n = call.powers[0].shape[0], order = call.traces.shape[0], bands = ceil_div(n, kTile);
  const auto highest = static_cast<std::int64_t>(call.powers.size());
  const CpuBackend::Scratch scratch(device, static_cast<std::size_t>(bands) * sizeof(double));
  double* const sums = reinterpret_cast<double*>(scratch.data());
  with_real(call.traces.dtype, [&]<class T>() {
    const auto power = [&](std::int64_t k) { return static_cast<const T*>(call.powers[static_cast<std::size_t>(k - 1)].data); };
    for (std::int64_t k = 1; k <= order; ++k) {
      double total = 0;
      if (k <= highest) {
        for (std::int64_t i = 0; i < n; ++i) total += static_cast<double>(power(k)[i * n + i]);
      } else {
        const T *a = power(highest), *b = power(k - highest);
        parallel_tasks(device.team(), bands, [=](std::int64_t band) { sums[band] = band_of_product_trace(a, b, n, band); });
        for (std::int64_t band = 0; band < bands; ++band) total += sums[band];
      }
      static_cast<T*>(call.traces.data)[k - 1] = T(total);
    }
  });
}

void run(LoopsBackend& device, const kernel::MatrixPolynomial& call) {
  const std::int64_t n = call.y.shape[0];
  with_real(call.y.dtype, [&]<class T>() {
    T* const out = static_cast<T*>(call.y.data);
    parallel_for(device.team(), n, larger(1, kGrain / n), [=](std::int64_t begin, std::int64_t end) {
      for (std::int64_t r = begin; r < end; ++r) {
        T* const row = out + r * n;  // stays in cache while the powers are added
        for (std::int64_t c = 0; c < n; ++c) row[c] = T(0);
        row[r] = T(call.coefficients[0]);
        for (std::size_t j = 0; j < call.powers.size(); ++j) {
          const T* const power = static_cast<const T*>(call.powers[j].data) + r * n;
          const T factor = T(call.coefficients[j + 1]);
#pragma omp simd
          for (std::int64_t c = 0; c < n; ++c) row[c] += factor * power[c];
        }
      }
    });
  });
}

void run(LoopsBackend& device, const kernel::Symmetrize& call) {
  const std::int64_t n = call.x.shape[0];
  with_real(call.x.dtype, [&]<class T>() {
    const T* const in = static_cast<const T*>(call.x.data);
    T* const out = static_cast<T*>(call.y.data);
    parallel_tasks(device.team(), ceil_div(n, kTile), [=](std::int64_t band) {
      for_tiles(n, band, [&](std::int64_t row, std::int64_t column, std::int64_t rows, std::int64_t columns) {
        T t[kTile][kTile];
        load_transposed(in, n, row, column, rows, columns, t);
        for (std::int64_t i = 0; i < rows; ++i) {
          const std::int64_t at = (row + i) * n + column;
#pragma omp simd
          for (std::int64_t j = 0; j < columns; ++j) out[at + j] = (in[at + j] + t[i][j]) / T(2);
        }
      });
    });
  });
}

void run(LoopsBackend&, const kernel::CodingScale& call) {
  with_real(call.u.dtype, [&]<class T>() {
    const functor::CodingScale<T> scalars{call.args.adapt, T(call.args.limit)};
    const T u_norm = norm(static_cast<const T*>(call.u.data), numel(call.u.shape)),
            v_norm = norm(static_cast<const T*>(call.v.data), numel(call.v.shape));
    const auto values = scalars(*static_cast<const T*>(call.lambda.data), u_norm, v_norm);
    for (std::size_t i = 0; i < 3; ++i) static_cast<T*>(call.scale.data)[i] = values[i];
  });
}

void run(LoopsBackend&, const kernel::CodingLoss& call) {
  with_real(call.traces.dtype, [&]<class T>() {
    const functor::CodingLoss<T> loss{call.args.order, T(call.args.rows), T(call.args.width), T(call.args.weight)};
    const auto values = loss(static_cast<const T*>(call.traces.data), *static_cast<const T*>(call.scale.data));
    for (std::size_t i = 0; i < 2; ++i) static_cast<T*>(call.result.data)[i] = values[i];
  });
}

constinit const CodingKernels coding_kernels = KernelsOf<LoopsBackend, CodingKernels>::table;

}  // namespace mec::cpu::MEC_ISA
