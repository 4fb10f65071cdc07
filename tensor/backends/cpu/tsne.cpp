#include "mec/tensor/backends/cpu/loops.h"

namespace mec::cpu::MEC_ISA {
namespace {

template <class T> struct Forces {
  T attract0 = 0, attract1 = 0, repel0 = 0, repel1 = 0, weight = 0;

  // Adds the forces of points [begin, end) on the point (a0,a1), whose row of p is `row`.
  void add(const T* row, const T* x0, const T* x1, T a0, T a1, std::int64_t begin, std::int64_t end) {
    T f0 = 0, f1 = 0, r0 = 0, r1 = 0, sum = 0;
#pragma omp simd reduction(+ : f0, f1, r0, r1, sum)
    for (std::int64_t j = begin; j < end; ++j) {
      const T d0 = a0 - x0[j], d1 = a1 - x1[j];
      const T w = T(1) / (T(1) + d0 * d0 + d1 * d1), pw = row[j] * w, w2 = w * w;
      f0 += pw * d0;
      f1 += pw * d1;
      r0 += w2 * d0;
      r1 += w2 * d1;
      sum += w;
    }
    attract0 += f0, attract1 += f1, repel0 += r0, repel1 += r1, weight += sum;
  }
};

}  // namespace

// One pass over p, the points staying in cache. Each row is summed by itself, so the bits do not
// depend on the threads.
void run(LoopsBackend& device, const kernel::TsneForces& call) {
  const std::int64_t n = call.p.shape[0];
  with_real(call.p.dtype, [&]<class T>() {
    const T* const rows = static_cast<const T*>(call.p.data);
    const T* const x0 = static_cast<const T*>(call.y.data);
    T* const attract = static_cast<T*>(call.attraction.data);
    T* const repel = static_cast<T*>(call.repulsion.data);
    T* const sums = static_cast<T*>(call.weights.data);
    parallel_for(device.team(), n, larger(1, kGrain / larger(n, 1)), [=](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        // Leaves out the point itself: its weight of 1, added and subtracted again, would cost the
        // small weights their digits.
        Forces<T> forces;
        forces.add(rows + i * n, x0, x0 + n, x0[i], x0[n + i], 0, i);
        forces.add(rows + i * n, x0, x0 + n, x0[i], x0[n + i], i + 1, n);
        attract[i] = forces.attract0;
        attract[n + i] = forces.attract1;
        repel[i] = forces.repel0;
        repel[n + i] = forces.repel1;
        sums[i] = forces.weight;
      }
    });
  });
}

constinit const TsneKernels tsne_kernels = KernelsOf<LoopsBackend, TsneKernels>::table;

}  // namespace mec::cpu::MEC_ISA
