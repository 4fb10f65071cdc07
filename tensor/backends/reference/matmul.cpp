#include "mec/tensor/backends/reference/product_types.h"
#include "mec/tensor/backends/reference/reference_backend.h"

namespace mec::reference {

// c[i,j] = Σ_k a[i,k]·b[k,j]
void ReferenceBackend::matmul(In a, In b, Out c, const MatmulArgs& args) {
  const std::int64_t m = c.shape[0], n = c.shape[1], inner = a.shape[args.trans_a ? 0 : 1];
  // Steps from one element to the next along the product's own axes.
  const std::int64_t a_row = args.trans_a ? 1 : inner, a_inner = args.trans_a ? m : 1;
  const std::int64_t b_column = args.trans_b ? inner : 1, b_inner = args.trans_b ? 1 : n;
  dispatch_product("matmul", a.dtype, c.dtype, [&]<class T, class R>() {
    using A = Accumulator<T>;
    for (std::int64_t i = 0; i < m; ++i) {
      for (std::int64_t j = 0; j < n; ++j) {
        const T* left = a.as<T>() + i * a_row;
        const T* right = b.as<T>() + j * b_column;
        R& out = c.as<R>()[i * n + j];
        A sum = 0;
        for (std::int64_t k = 0; k < inner; ++k) sum += A(left[k * a_inner]) * A(right[k * b_inner]);
        out = R(args.accumulate ? sum + A(out) : sum);
      }
    }
  });
}

}  // namespace mec::reference
