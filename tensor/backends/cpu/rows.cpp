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

template <class T> struct ExpRow { T largest, sum; };

constexpr std::int64_t kPiece = 4096;

// out = exp(x − max), with the maximum and the sum.
template <class T> ExpRow<T> exp_row(const T* in, std::int64_t columns, T* out) {
  ExpRow<T> row{in[0], T(0)};
  for (std::int64_t c = 1; c < columns; ++c) row.largest = in[c] > row.largest ? in[c] : row.largest;
  // Summed in pieces, since a long sum in f32 stops growing.
  double sum = 0;
  for (std::int64_t begin = 0; begin < columns; begin += kPiece) {
    T piece = 0;
    for (std::int64_t c = begin; c < smaller(columns, begin + kPiece); ++c) {
      out[c] = std::exp(in[c] - row.largest);
      piece += out[c];
    }
    sum += static_cast<double>(piece);
  }
  row.sum = T(sum);
  return row;
}

// loss = log Σ exp(x_c − max) − (x_label − max)
template <class T> void cross_entropy_row(const T* in, std::int64_t columns, std::int32_t label, T* loss, T* gradient) {
  if (label < 0 || label >= columns) {
    const T outside = label < 0 ? T(0) : T(NAN);
    *loss = outside;
    for (std::int64_t c = 0; c < columns; ++c) gradient[c] = outside;
    return;
  }
  const auto [largest, sum] = exp_row(in, columns, gradient);
  *loss = std::log(sum) - (in[label] - largest);
  for (std::int64_t c = 0; c < columns; ++c) gradient[c] /= sum;
  gradient[label] -= T(1);
}

template <class T> void softmax_row(const T* in, std::int64_t columns, bool log, T* out) {
  const auto [largest, sum] = exp_row(in, columns, out);
  const T log_sum = std::log(sum);
  for (std::int64_t c = 0; c < columns; ++c) out[c] = log ? in[c] - largest - log_sum : out[c] / sum;
}

template <class T> void softmax_grad_row(const T* y, const T* dy, std::int64_t columns, bool log, T* dx) {
  if (!log) {
    const T radial = dot(y, dy, columns);
    for (std::int64_t c = 0; c < columns; ++c) dx[c] = y[c] * (dy[c] - radial);
    return;
  }
  const T sum = sum_of(dy, columns);
  for (std::int64_t c = 0; c < columns; ++c) dx[c] = dy[c] - std::exp(y[c]) * sum;
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

void run(LoopsBackend& device, const kernel::NormalizeRows& call) {
  const std::int64_t columns = call.x.shape[1];
  with_real(call.x.dtype, [&]<class T>() {
    const T* const in = static_cast<const T*>(call.x.data);
    T* const out = static_cast<T*>(call.y.data);
    T* const inverses = static_cast<T*>(call.inv_norm.data);
    const T eps = T(call.eps);
    parallel_for(device.team(), call.x.shape[0], row_grain(columns), [=](std::int64_t begin, std::int64_t end) {
      for (std::int64_t r = begin; r < end; ++r) {
        const T* const row = in + r * columns;
        const T norm = std::sqrt(dot(row, row, columns));
        const T inverse = T(1) / (norm < eps ? eps : norm);
#pragma omp simd
        for (std::int64_t c = 0; c < columns; ++c) out[r * columns + c] = row[c] * inverse;
        inverses[r] = inverse;
      }
    });
  });
}

// dx = (dy − y·(y·dy))·inv_norm
void run(LoopsBackend& device, const kernel::NormalizeRowsGrad& call) {
  const std::int64_t columns = call.y.shape[1];
  with_real(call.y.dtype, [&]<class T>() {
    const T* const unit = static_cast<const T*>(call.y.data);
    const T* const gradient = static_cast<const T*>(call.dy.data);
    const T* const inverses = static_cast<const T*>(call.inv_norm.data);
    T* const out = static_cast<T*>(call.dx.data);
    parallel_for(device.team(), call.y.shape[0], row_grain(columns), [=](std::int64_t begin, std::int64_t end) {
      for (std::int64_t r = begin; r < end; ++r) {
        const std::int64_t at = r * columns;
        const T radial = dot(unit + at, gradient + at, columns), inverse = inverses[r];
#pragma omp simd
        for (std::int64_t c = 0; c < columns; ++c) out[at + c] = (gradient[at + c] - unit[at + c] * radial) * inverse;
      }
    });
  });
}

void run(LoopsBackend& device, const kernel::CrossEntropy& call) {
  const std::int64_t columns = call.logits.shape[1];
  with_real(call.logits.dtype, [&]<class T>() {
    const T* const in = static_cast<const T*>(call.logits.data);
    const auto* const label = static_cast<const std::int32_t*>(call.labels.data);
    T* const losses = static_cast<T*>(call.loss.data);
    T* const gradient = static_cast<T*>(call.dlogits.data);
    parallel_for(device.team(), call.logits.shape[0], row_grain(columns * 16), [=](std::int64_t begin, std::int64_t end) {
      for (std::int64_t r = begin; r < end; ++r) {
        cross_entropy_row(in + r * columns, columns, label[r], losses + r, gradient + r * columns);
      }
    });
  });
}

void run(LoopsBackend& device, const kernel::Softmax& call) {
  const std::int64_t columns = call.x.shape[1];
  if (columns == 0) return;
  with_real(call.x.dtype, [&]<class T>() {
    const T* const in = static_cast<const T*>(call.x.data);
    T* const out = static_cast<T*>(call.y.data);
    const bool log = call.log;
    parallel_for(device.team(), call.x.shape[0], row_grain(columns * 16), [=](std::int64_t begin, std::int64_t end) {
      for (std::int64_t r = begin; r < end; ++r) softmax_row(in + r * columns, columns, log, out + r * columns);
    });
  });
}

void run(LoopsBackend& device, const kernel::SoftmaxGrad& call) {
  const std::int64_t columns = call.y.shape[1];
  with_real(call.y.dtype, [&]<class T>() {
    const T* const result = static_cast<const T*>(call.y.data);
    const T* const gradient = static_cast<const T*>(call.dy.data);
    T* const out = static_cast<T*>(call.dx.data);
    const bool log = call.log;
    parallel_for(device.team(), call.y.shape[0], row_grain(columns * 16), [=](std::int64_t begin, std::int64_t end) {
      for (std::int64_t r = begin; r < end; ++r) {
        softmax_grad_row(result + r * columns, gradient + r * columns, columns, log, out + r * columns);
      }
    });
  });
}

void run(LoopsBackend& device, const kernel::TopK& call) {
  const std::int64_t columns = call.x.shape[1], k = call.values.shape[1];
  with_real(call.x.dtype, [&]<class T>() {
    const T* const in = static_cast<const T*>(call.x.data);
    T* const best = static_cast<T*>(call.values.data);
    auto* const places = static_cast<std::int32_t*>(call.indices.data);
    parallel_for(device.team(), call.x.shape[0], row_grain(columns), [=](std::int64_t begin, std::int64_t end) {
      for (std::int64_t r = begin; r < end; ++r) top_k_row(in + r * columns, columns, k, best + r * k, places + r * k);
    });
  });
}

void run(LoopsBackend& device, const kernel::TopKGrad& call) {
  const std::int64_t columns = call.dx.shape[1], k = call.dy.shape[1];
  with_real(call.dx.dtype, [&]<class T>() {
    const T* const gradient = static_cast<const T*>(call.dy.data);
    const auto* const places = static_cast<const std::int32_t*>(call.indices.data);
    T* const out = static_cast<T*>(call.dx.data);
    parallel_for(device.team(), call.dx.shape[0], row_grain(columns), [=](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin * columns; i < end * columns; ++i) out[i] = T(0);
      for (std::int64_t i = begin * k; i < end * k; ++i) {
        if (places[i] >= 0 && places[i] < columns) out[i / k * columns + places[i]] = gradient[i];
      }
    });
  });
}

constinit const RowKernels row_kernels = KernelsOf<LoopsBackend, RowKernels>::table;

}  // namespace mec::cpu::MEC_ISA
