#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "mec/tensor/backends/reference/reference_backend.h"

namespace mec::reference {

void run(ReferenceBackend&, const kernel::NormalizeRows& call) {
  const std::int64_t rows = call.x.shape[0], columns = call.x.shape[1];
  dispatch_real(call.name, call.x.dtype, [&]<class T>() {
    for (std::int64_t r = 0; r < rows; ++r) {
      const T* in = call.x.as<T>() + r * columns;
      T squares = 0;
      for (std::int64_t c = 0; c < columns; ++c) squares += in[c] * in[c];
      const T inverse = T(1) / std::max(std::sqrt(squares), T(call.eps));
      for (std::int64_t c = 0; c < columns; ++c) call.y.as<T>()[r * columns + c] = in[c] * inverse;
      call.inv_norm.as<T>()[r] = inverse;
    }
  });
}

// dx = (dy − y·(y·dy))·inv_norm
void run(ReferenceBackend&, const kernel::NormalizeRowsGrad& call) {
  const std::int64_t rows = call.y.shape[0], columns = call.y.shape[1];
  dispatch_real(call.name, call.y.dtype, [&]<class T>() {
    for (std::int64_t r = 0; r < rows; ++r) {
      const T* unit = call.y.as<T>() + r * columns;
      const T* gradient = call.dy.as<T>() + r * columns;
      T radial = 0;
      for (std::int64_t c = 0; c < columns; ++c) radial += unit[c] * gradient[c];
      for (std::int64_t c = 0; c < columns; ++c) {
        call.dx.as<T>()[r * columns + c] = (gradient[c] - unit[c] * radial) * call.inv_norm.as<T>()[r];
      }
    }
  });
}

// −log softmax(x)[label] = log Σ exp(x_c − max) − (x_label − max)
void run(ReferenceBackend&, const kernel::CrossEntropy& call) {
  const std::int64_t rows = call.logits.shape[0], columns = call.logits.shape[1];
  dispatch_real(call.name, call.logits.dtype, [&]<class T>() {
    for (std::int64_t r = 0; r < rows; ++r) {
      const T* in = call.logits.as<T>() + r * columns;
      T* gradient = call.dlogits.as<T>() + r * columns;
      const std::int32_t label = call.labels.as<std::int32_t>()[r];
      if (label < 0 || label >= columns) {
        const T outside = label < 0 ? T(0) : std::numeric_limits<T>::quiet_NaN();
        call.loss.as<T>()[r] = outside;
        std::fill_n(gradient, columns, outside);
        continue;
      }
      const T largest = *std::max_element(in, in + columns);
      T sum = 0;
      for (std::int64_t c = 0; c < columns; ++c) sum += std::exp(in[c] - largest);
      call.loss.as<T>()[r] = std::log(sum) - (in[label] - largest);
      for (std::int64_t c = 0; c < columns; ++c) gradient[c] = std::exp(in[c] - largest) / sum - (c == label ? T(1) : T(0));
    }
  });
}

// softmax(x)_c = exp(x_c − max)/Σ exp(x − max)
void run(ReferenceBackend&, const kernel::Softmax& call) {
  const std::int64_t rows = call.x.shape[0], columns = call.x.shape[1];
  dispatch_real(call.name, call.x.dtype, [&]<class T>() {
    for (std::int64_t r = 0; r < rows && columns > 0; ++r) {
      const T* in = call.x.as<T>() + r * columns;
      T* out = call.y.as<T>() + r * columns;
      const T largest = *std::max_element(in, in + columns);
      T sum = 0;
      for (std::int64_t c = 0; c < columns; ++c) sum += std::exp(in[c] - largest);
      for (std::int64_t c = 0; c < columns; ++c) {
        out[c] = call.log ? in[c] - largest - std::log(sum) : std::exp(in[c] - largest) / sum;
      }
    }
  });
}

void run(ReferenceBackend&, const kernel::SoftmaxGrad& call) {
  const std::int64_t rows = call.y.shape[0], columns = call.y.shape[1];
  dispatch_real(call.name, call.y.dtype, [&]<class T>() {
    for (std::int64_t r = 0; r < rows; ++r) {
      const T* result = call.y.as<T>() + r * columns;
      const T* gradient = call.dy.as<T>() + r * columns;
      T* out = call.dx.as<T>() + r * columns;
      T sum = 0;
      for (std::int64_t c = 0; c < columns; ++c) sum += call.log ? gradient[c] : gradient[c] * result[c];
      for (std::int64_t c = 0; c < columns; ++c) {
        out[c] = call.log ? gradient[c] - std::exp(result[c]) * sum : result[c] * (gradient[c] - sum);
      }
    }
  });
}

// k passes, each taking the first of the largest that are left.
void run(ReferenceBackend&, const kernel::TopK& call) {
  const std::int64_t rows = call.x.shape[0], columns = call.x.shape[1], k = call.values.shape[1];
  dispatch_real(call.name, call.x.dtype, [&]<class T>() {
    for (std::int64_t r = 0; r < rows; ++r) {
      const T* in = call.x.as<T>() + r * columns;
      std::vector<bool> taken(static_cast<std::size_t>(columns), false);
      for (std::int64_t rank = 0; rank < k; ++rank) {
        std::int64_t best = -1;
        for (std::int64_t c = 0; c < columns; ++c) {
          if (!taken[static_cast<std::size_t>(c)] && (best < 0 || functor::ranks_above(in[c], in[best]))) best = c;
        }
        taken[static_cast<std::size_t>(best)] = true;
        call.values.as<T>()[r * k + rank] = in[best];
        call.indices.as<std::int32_t>()[r * k + rank] = static_cast<std::int32_t>(best);
      }
    }
  });
}

void run(ReferenceBackend&, const kernel::TopKGrad& call) {
  const std::int64_t rows = call.dx.shape[0], columns = call.dx.shape[1], k = call.dy.shape[1];
  dispatch_real(call.name, call.dx.dtype, [&]<class T>() {
    std::fill_n(call.dx.as<T>(), rows * columns, T(0));
    for (std::int64_t i = 0; i < rows * k; ++i) {
      const std::int32_t index = call.indices.as<std::int32_t>()[i];
      if (index >= 0 && index < columns) call.dx.as<T>()[i / k * columns + index] = call.dy.as<T>()[i];
    }
  });
}

constinit const RowKernels row_kernels = KernelsOf<ReferenceBackend, RowKernels>::table;

}  // namespace mec::reference
