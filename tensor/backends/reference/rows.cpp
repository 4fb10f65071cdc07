#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "mec/tensor/backends/reference/reference_backend.h"

namespace mec::reference {

void ReferenceBackend::normalize_rows(In x, Out y, Out inv_norm, double eps) {
  const std::int64_t rows = x.shape[0], columns = x.shape[1];
  dispatch_real("normalize_rows", x.dtype, [&]<class T>() {
    for (std::int64_t r = 0; r < rows; ++r) {
      const T* in = x.as<T>() + r * columns;
      T squares = 0;
      for (std::int64_t c = 0; c < columns; ++c) squares += in[c] * in[c];
      const T inverse = T(1) / std::max(std::sqrt(squares), T(eps));
      for (std::int64_t c = 0; c < columns; ++c) y.as<T>()[r * columns + c] = in[c] * inverse;
      inv_norm.as<T>()[r] = inverse;
    }
  });
}

// dx = (dy − y·(y·dy))·inv_norm
void ReferenceBackend::normalize_rows_grad(In y, In inv_norm, In dy, Out dx) {
  const std::int64_t rows = y.shape[0], columns = y.shape[1];
  dispatch_real("normalize_rows_grad", y.dtype, [&]<class T>() {
    for (std::int64_t r = 0; r < rows; ++r) {
      const T* unit = y.as<T>() + r * columns;
      const T* gradient = dy.as<T>() + r * columns;
      T radial = 0;
      for (std::int64_t c = 0; c < columns; ++c) radial += unit[c] * gradient[c];
      for (std::int64_t c = 0; c < columns; ++c) {
        dx.as<T>()[r * columns + c] = (gradient[c] - unit[c] * radial) * inv_norm.as<T>()[r];
      }
    }
  });
}

// −log softmax(x)[label] = log Σ exp(x_c − max) − (x_label − max)
void ReferenceBackend::cross_entropy(In logits, In labels, Out loss, Out dlogits) {
  const std::int64_t rows = logits.shape[0], columns = logits.shape[1];
  dispatch_real("cross_entropy", logits.dtype, [&]<class T>() {
    for (std::int64_t r = 0; r < rows; ++r) {
      const T* in = logits.as<T>() + r * columns;
      T* gradient = dlogits.as<T>() + r * columns;
      const std::int32_t label = labels.as<std::int32_t>()[r];
      if (label < 0 || label >= columns) {
        const T outside = label < 0 ? T(0) : std::numeric_limits<T>::quiet_NaN();
        loss.as<T>()[r] = outside;
        std::fill_n(gradient, columns, outside);
        continue;
      }
      const T largest = *std::max_element(in, in + columns);
      T sum = 0;
      for (std::int64_t c = 0; c < columns; ++c) sum += std::exp(in[c] - largest);
      loss.as<T>()[r] = std::log(sum) - (in[label] - largest);
      for (std::int64_t c = 0; c < columns; ++c) gradient[c] = std::exp(in[c] - largest) / sum - (c == label ? T(1) : T(0));
    }
  });
}

// k passes, each taking the first of the largest that are left.
void ReferenceBackend::top_k(In x, Out values, Out indices) {
  const std::int64_t rows = x.shape[0], columns = x.shape[1], k = values.shape[1];
  dispatch_real("top_k", x.dtype, [&]<class T>() {
    for (std::int64_t r = 0; r < rows; ++r) {
      const T* in = x.as<T>() + r * columns;
      std::vector<bool> taken(static_cast<std::size_t>(columns), false);
      for (std::int64_t rank = 0; rank < k; ++rank) {
        std::int64_t best = -1;
        for (std::int64_t c = 0; c < columns; ++c) {
          if (!taken[static_cast<std::size_t>(c)] && (best < 0 || functor::ranks_above(in[c], in[best]))) best = c;
        }
        taken[static_cast<std::size_t>(best)] = true;
        values.as<T>()[r * k + rank] = in[best];
        indices.as<std::int32_t>()[r * k + rank] = static_cast<std::int32_t>(best);
      }
    }
  });
}

}  // namespace mec::reference
