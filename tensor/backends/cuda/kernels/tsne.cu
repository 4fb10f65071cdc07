#include "mec/tensor/backends/cuda/kernels/kernel_backend.h"

namespace mec::cuda::MEC_SIMT {
namespace {

constexpr int kPoints = kBlock;  // points that a block holds in shared memory at a time
constexpr int kRows = 2;         // rows of p for each warp, which then reads a point once for both

// Sums over j ≠ i of the forces of points j on a point i.
template <class T> struct PointForces {
  T attract0 = 0, attract1 = 0, repel0 = 0, repel1 = 0, weight = 0;

  SIMT_DEVICE void add(T p, T d0, T d1) {
    const T w = T(1) / (T(1) + d0 * d0 + d1 * d1), pw = p * w, w2 = w * w;
    attract0 += pw * d0;
    attract1 += pw * d1;
    repel0 += w2 * d0;
    repel1 += w2 * d1;
    weight += w;
  }
};

// A warp for every kRows rows of p, which are read once; the points lie, tile by tile, in shared
// memory.
template <class T>
SIMT_KERNEL tsne_forces_kernel(const T* p, const T* y, T* attraction, T* repulsion, T* weights, std::int64_t n) {
  SIMT_SHARED(T, x0, kPoints);
  SIMT_SHARED(T, x1, kPoints);
  const int lane = simt::thread() % kWarp;
  const std::int64_t rows = simt::threads() / kWarp * kRows;  // of a block
  for_each_piece(ceil_div(n, rows), [&](std::int64_t piece) {
    const std::int64_t first = piece * rows + simt::thread() / kWarp * kRows;
    PointForces<T> forces[kRows];
    T at0[kRows], at1[kRows];
    for (int r = 0; r < kRows; ++r) {
      const std::int64_t i = std::min(first + r, n - 1);
      at0[r] = y[i];
      at1[r] = y[n + i];
    }
    for (std::int64_t begin = 0; begin < n; begin += kPoints) {
      const int count = static_cast<int>(std::min<std::int64_t>(kPoints, n - begin));
      simt::sync();  // the tile before this one has been read
      for (int j = simt::thread(); j < count; j += simt::threads()) {
        x0[j] = y[begin + j];
        x1[j] = y[n + begin + j];
      }
      simt::sync();
      for (int j = lane; j < count; j += kWarp) {
        for (int r = 0; r < kRows; ++r) {
          const std::int64_t i = first + r;
          if (i < n && begin + j != i) forces[r].add(p[i * n + begin + j], at0[r] - x0[j], at1[r] - x1[j]);
        }
      }
    }
    for (int r = 0; r < kRows; ++r) {
      const PointForces<T> sum{warp_sum(forces[r].attract0), warp_sum(forces[r].attract1), warp_sum(forces[r].repel0),
                               warp_sum(forces[r].repel1), warp_sum(forces[r].weight)};
      const std::int64_t i = first + r;
      if (lane != 0 || i >= n) continue;
      attraction[i] = sum.attract0;
      attraction[n + i] = sum.attract1;
      repulsion[i] = sum.repel0;
      repulsion[n + i] = sum.repel1;
      weights[i] = sum.weight;
    }
  });
}

}  // namespace

void run(KernelBackend& device, const kernel::TsneForces& call) {
  const std::int64_t n = call.p.shape[0];
  dispatch_real(call.name, call.p.dtype, [&]<class T>() {
    simt::launch(call.name, tsne_forces_kernel<T>, device.grid_of_pieces(ceil_div(n, kBlock / kWarp * kRows)), device.stream(),
                 call.p.as<T>(), call.y.as<T>(), call.attraction.as<T>(), call.repulsion.as<T>(), call.weights.as<T>(), n);
  });
}

constinit const TsneKernels tsne_kernels = KernelsOf<KernelBackend, TsneKernels>::table;

}  // namespace mec::cuda::MEC_SIMT
