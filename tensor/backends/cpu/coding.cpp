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

void LoopsBackend::power_traces(std::span<const In> powers, Out traces) {
  const std::int64_t n = powers[0].shape[0], order = traces.shape[0], bands = ceil_div(n, kTile);
  const auto highest = static_cast<std::int64_t>(powers.size());
  const Scratch scratch(*this, static_cast<std::size_t>(bands) * sizeof(double));
  double* const sums = reinterpret_cast<double*>(scratch.data());
  with_real(traces.dtype, [&]<class T>() {
    const auto power = [&](std::int64_t k) { return static_cast<const T*>(powers[static_cast<std::size_t>(k - 1)].data); };
    for (std::int64_t k = 1; k <= order; ++k) {
      double total = 0;
      if (k <= highest) {
        for (std::int64_t i = 0; i < n; ++i) total += static_cast<double>(power(k)[i * n + i]);
      } else {
        const T *a = power(highest), *b = power(k - highest);
        parallel_tasks(threads(), bands, [=](std::int64_t band) { sums[band] = band_of_product_trace(a, b, n, band); });
        for (std::int64_t band = 0; band < bands; ++band) total += sums[band];
      }
      static_cast<T*>(traces.data)[k - 1] = T(total);
    }
  });
}

void LoopsBackend::matrix_polynomial(std::span<const In> powers, std::span<const double> coefficients, Out y) {
  const std::int64_t n = y.shape[0];
  with_real(y.dtype, [&]<class T>() {
    T* const out = static_cast<T*>(y.data);
    parallel_for(threads(), n, larger(1, kGrain / n), [=](std::int64_t begin, std::int64_t end) {
      for (std::int64_t r = begin; r < end; ++r) {
        T* const row = out + r * n;  // stays in cache while the powers pass by
        for (std::int64_t c = 0; c < n; ++c) row[c] = T(0);
        row[r] = T(coefficients[0]);
        for (std::size_t j = 0; j < powers.size(); ++j) {
          const T* const power = static_cast<const T*>(powers[j].data) + r * n;
          const T factor = T(coefficients[j + 1]);
#pragma omp simd
          for (std::int64_t c = 0; c < n; ++c) row[c] += factor * power[c];
        }
      }
    });
  });
}

void LoopsBackend::symmetrize(In x, Out y) {
  const std::int64_t n = x.shape[0];
  with_real(x.dtype, [&]<class T>() {
    const T* const in = static_cast<const T*>(x.data);
    T* const out = static_cast<T*>(y.data);
    parallel_tasks(threads(), ceil_div(n, kTile), [=](std::int64_t band) {
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

void LoopsBackend::coding_scale(In lambda, In u, In v, Out scale, const CodingScaleArgs& args) {
  with_real(u.dtype, [&]<class T>() {
    const functor::CodingScale<T> scalars{args.adapt, T(args.limit)};
    const T u_norm = norm(static_cast<const T*>(u.data), numel(u.shape)),
            v_norm = norm(static_cast<const T*>(v.data), numel(v.shape));
    const auto values = scalars(*static_cast<const T*>(lambda.data), u_norm, v_norm);
    for (std::size_t i = 0; i < 3; ++i) static_cast<T*>(scale.data)[i] = values[i];
  });
}

void LoopsBackend::coding_loss(In traces, In scale, Out result, const CodingLossArgs& args) {
  with_real(traces.dtype, [&]<class T>() {
    const functor::CodingLoss<T> loss{args.order, T(args.rows), T(args.width), T(args.weight)};
    const auto values = loss(static_cast<const T*>(traces.data), *static_cast<const T*>(scale.data));
    for (std::size_t i = 0; i < 2; ++i) static_cast<T*>(result.data)[i] = values[i];
  });
}

}  // namespace mec::cpu::MEC_ISA
