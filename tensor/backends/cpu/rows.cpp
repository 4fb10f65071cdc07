#include <cmath>

#include "mec/tensor/backends/cpu/loops.h"

namespace mec::cpu::MEC_ISA {
namespace {

template <class T> T dot(const T* a, const T* b, std::int64_t n) {
  T sum = 0;
#pragma omp simd reduction(+ : sum)
  for (std::int64_t i = 0; i < n; ++i) sum += a[i] * b[i];
  return sum;
}

std::int64_t row_grain(std::int64_t columns) { return larger(1, kGrain / larger(columns, 1)); }

// loss = log Σ exp(x_c − max) − (x_label − max)
template <class T> void cross_entropy_row(const T* in, std::int64_t columns, std::int32_t label, T* loss, T* gradient) {
  if (label < 0 || label >= columns) {
    const T outside = label < 0 ? T(0) : T(NAN);
    *loss = outside;
    for (std::int64_t c = 0; c < columns; ++c) gradient[c] = outside;
    return;
  }
  T largest = in[0];
  for (std::int64_t c = 1; c < columns; ++c) largest = in[c] > largest ? in[c] : largest;
  T sum = 0;
  for (std::int64_t c = 0; c < columns; ++c) {
    gradient[c] = std::exp(in[c] - largest);
    sum += gradient[c];
  }
  *loss = std::log(sum) - (in[label] - largest);
  for (std::int64_t c = 0; c < columns; ++c) gradient[c] /= sum;
  gradient[label] -= T(1);
}

// Keeps the k best so far in order. Most elements of a long row only meet the comparison with the
// k-th.
template <class T> void top_k_row(const T* in, std::int64_t columns, std::int64_t k, T* values, std::int32_t* indices) {
  for (std::int64_t c = 0; c < columns; ++c) {
    const std::int64_t kept = smaller(c, k);
    if (kept == k && !functor::ranks_above(in[c], values[k - 1])) continue;
    std::int64_t place = smaller(kept, k - 1);
    while (place > 0 &&
           functor::ranks_above(in[c], values[place - 1])) {  // an equal one stays in front: it has the lower index
      values[place] = values[place - 1];
      indices[place] = indices[place - 1];
      --place;
    }
    values[place] = in[c];
    indices[place] = static_cast<std::int32_t>(c);
  }
}

}  // namespace

void LoopsBackend::normalize_rows(In x, Out y, Out inv_norm, double eps) {
  const std::int64_t columns = x.shape[1];
  with_real(x.dtype, [&]<class T>() {
    const T* const in = static_cast<const T*>(x.data);
    T* const out = static_cast<T*>(y.data);
    T* const inverses = static_cast<T*>(inv_norm.data);
    parallel_for(threads(), x.shape[0], row_grain(columns), [=](std::int64_t begin, std::int64_t end) {
      for (std::int64_t r = begin; r < end; ++r) {
        const T* const row = in + r * columns;
        const T norm = std::sqrt(dot(row, row, columns));
        const T inverse = T(1) / (norm < T(eps) ? T(eps) : norm);
#pragma omp simd
        for (std::int64_t c = 0; c < columns; ++c) out[r * columns + c] = row[c] * inverse;
        inverses[r] = inverse;
      }
    });
  });
}

// dx = (dy − y·(y·dy))·inv_norm
void LoopsBackend::normalize_rows_grad(In y, In inv_norm, In dy, Out dx) {
  const std::int64_t columns = y.shape[1];
  with_real(y.dtype, [&]<class T>() {
    const T* const unit = static_cast<const T*>(y.data);
    const T* const gradient = static_cast<const T*>(dy.data);
    const T* const inverses = static_cast<const T*>(inv_norm.data);
    T* const out = static_cast<T*>(dx.data);
    parallel_for(threads(), y.shape[0], row_grain(columns), [=](std::int64_t begin, std::int64_t end) {
      for (std::int64_t r = begin; r < end; ++r) {
        const std::int64_t at = r * columns;
        const T radial = dot(unit + at, gradient + at, columns), inverse = inverses[r];
#pragma omp simd
        for (std::int64_t c = 0; c < columns; ++c) out[at + c] = (gradient[at + c] - unit[at + c] * radial) * inverse;
      }
    });
  });
}

void LoopsBackend::cross_entropy(In logits, In labels, Out loss, Out dlogits) {
  const std::int64_t columns = logits.shape[1];
  with_real(logits.dtype, [&]<class T>() {
    const T* const in = static_cast<const T*>(logits.data);
    const auto* const label = static_cast<const std::int32_t*>(labels.data);
    T* const losses = static_cast<T*>(loss.data);
    T* const gradient = static_cast<T*>(dlogits.data);
    parallel_for(threads(), logits.shape[0], row_grain(columns * 16), [=](std::int64_t begin, std::int64_t end) {
      for (std::int64_t r = begin; r < end; ++r) {
        cross_entropy_row(in + r * columns, columns, label[r], losses + r, gradient + r * columns);
      }
    });
  });
}

void LoopsBackend::top_k(In x, Out values, Out indices) {
  const std::int64_t columns = x.shape[1], k = values.shape[1];
  with_real(x.dtype, [&]<class T>() {
    const T* const in = static_cast<const T*>(x.data);
    T* const best = static_cast<T*>(values.data);
    auto* const places = static_cast<std::int32_t*>(indices.data);
    parallel_for(threads(), x.shape[0], row_grain(columns), [=](std::int64_t begin, std::int64_t end) {
      for (std::int64_t r = begin; r < end; ++r) top_k_row(in + r * columns, columns, k, best + r * k, places + r * k);
    });
  });
}

}  // namespace mec::cpu::MEC_ISA
