#include "mec/tensor/backends/reference/reference_backend.h"

namespace mec::reference {

void run(ReferenceBackend&, const kernel::TsneForces& call) {
  const std::int64_t n = call.p.shape[0];
  dispatch_real(call.name, call.p.dtype, [&]<class T>() {
    const T* x0 = call.y.as<T>();
    const T* x1 = x0 + n;
    for (std::int64_t i = 0; i < n; ++i) {
      T attract0 = 0, attract1 = 0, repel0 = 0, repel1 = 0, sum = 0;
      for (std::int64_t j = 0; j < n; ++j) {
        if (j == i) continue;
        const T d0 = x0[i] - x0[j], d1 = x1[i] - x1[j];
        const T w = T(1) / (T(1) + d0 * d0 + d1 * d1), pw = call.p.as<T>()[i * n + j] * w;
        attract0 += pw * d0;
        attract1 += pw * d1;
        repel0 += w * w * d0;
        repel1 += w * w * d1;
        sum += w;
      }
      call.attraction.as<T>()[i] = attract0;
      call.attraction.as<T>()[n + i] = attract1;
      call.repulsion.as<T>()[i] = repel0;
      call.repulsion.as<T>()[n + i] = repel1;
      call.weights.as<T>()[i] = sum;
    }
  });
}

constinit const TsneKernels tsne_kernels = KernelsOf<ReferenceBackend, TsneKernels>::table;

}  // namespace mec::reference
