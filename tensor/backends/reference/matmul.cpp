#include "mec/tensor/backends/reference/product_types.h"
#include "mec/tensor/backends/reference/reference_backend.h"

namespace mec::reference {

// c[i,j] = Σ_k a[i,k]·b[k,j]
void run(ReferenceBackend&, const kernel::Matmul& call) {
  const std::int64_t m = call.c.shape[0], n = call.c.shape[1], inner = call.a.shape[call.args.trans_a ? 0 : 1];
  // Strides along the product's own axes.
  const std::int64_t a_row = call.args.trans_a ? 1 : inner, a_inner = call.args.trans_a ? m : 1;
  const std::int64_t b_column = call.args.trans_b ? inner : 1, b_inner = call.args.trans_b ? 1 : n;
  dispatch_product(call.name, call.a.dtype, call.c.dtype, [&]<class T, class R>() {
    using A = Accumulator<T>;
    for (std::int64_t i = 0; i < m; ++i) {
      for (std::int64_t j = 0; j < n; ++j) {
        const T* left = call.a.as<T>() + i * a_row;
        const T* right = call.b.as<T>() + j * b_column;
        R& out = call.c.as<R>()[i * n + j];
        A sum = 0;
        for (std::int64_t k = 0; k < inner; ++k) sum += A(left[k * a_inner]) * A(right[k * b_inner]);
        out = R(call.args.accumulate ? sum + A(out) : sum);
      }
    }
  });
}

constinit const MatmulKernels matmul_kernels = KernelsOf<ReferenceBackend, MatmulKernels>::table;

}  // namespace mec::reference
