// The hand-written kernels of the GPU backend, for f32, bf16 and f64. What CUDA's libraries do
// (products, convolutions, decompositions) and the host's access to memory are left to a subclass:
// cuda/backend.h on a device, a test's own on the host, where the same sources run under the
// emulator.
#pragma once

#include <vector>

#include "mec/tensor/backend.h"
#include "mec/tensor/backends/cuda/kernels/threads.h"

namespace mec::cuda::MEC_SIMT {

struct Columns;

// What CUDA's libraries compute.
struct LibraryKernels {
  MatmulKernels matmul;
  ConvolutionKernels convolution;
  LinalgKernels linalg;
};

class KernelBackend : public Backend {
 public:
  // A grid has at most `grid_limit` blocks: as many as a device can ever run at a time. Sums that
  // follow from the grid follow from this number; grids that share out a loop (Grid::loop) are made
  // smaller where the kernel's registers allow fewer blocks.
  KernelBackend(std::int64_t grid_limit, const LibraryKernels& libraries);

  const ViewKernels* view_kernels() const override;
  std::int64_t grid_limit() const { return grid_limit_; }

  // This, and all that follows, is for the kernels of this folder.
  virtual simt::Stream stream() const = 0;
  // Blocks for `n` pieces of work, one for each thread and turn of for_each_index.
  simt::Grid grid_for(std::int64_t n) const;
  // Blocks for `n` pieces of work, one for each block and turn of for_each_piece.
  simt::Grid grid_of_pieces(std::int64_t n, int threads = kBlock) const;

  // Calls f.template operator()<V>() with V = kPack<T> where packs of T are possible, else with V =
  // 1.
  template <class T, class F> static void with_pack_size(bool possible, F&& f) {
    if (possible) f.template operator()<kPack<T>>();
    else f.template operator()<1>();
  }
  // The same for n elements in any order, f.template operator()<V>(grid), where the pointers are
  // aligned for packs.
  template <class T, class F> void with_packs(std::int64_t n, bool aligned, F&& f) {
    with_pack_size<T>(aligned, [&]<int V>() { f.template operator()<V>(grid_for(ceil_div(n, V))); });
  }

  // tiled_product.cu: as kernel::Matmul, of any sizes and alignment, for what a library has no
  // algorithm for. Sums run over k in order.
  void tiled_product(In a, In b, Out c, const MatmulArgs& args);

  // columns.h
  // Groups of channels × `chunks` chunks, or as many as the limit allows.
  simt::Grid grid_for_columns(const Columns& matrix, std::int64_t chunks) const;
  // The same, where no sum depends on how many chunks there are.
  simt::Grid grid_for_rows(const Columns& matrix, std::int64_t chunks) const;
  template <int V, class Source, class Result>
  void fold_columns(const char* name, const Columns& matrix, const Source& source, const Result& result);

  // determinants.cu: what is left to do around a library's decompositions.
  void identity(Out y);  // (n,n)
  // Pivots are rows counted from first_row.
  void lu_log_det(In lu, In pivots, std::int32_t first_row, Out log_det);
  void refuse_singular(In lu, Out inverse);  // all NaN where there is no inverse
  // info (1): 0 where the decomposition succeeded.
  void cholesky_log_det(In lower, const int* info, Out log_det);

  // Memory for partial results within one kernel. Memory that an earlier call returned may be
  // handed out again, but is not freed while the backend lives, since a captured step writes there.
  void* scratch(std::size_t bytes);
  template <class T> T* scratch_array(std::int64_t count) {
    return static_cast<T*>(scratch(static_cast<std::size_t>(count) * sizeof(T)));
  }

  // reduce.cu
  simt::Grid grid_for_long_rows(std::int64_t rows, std::int64_t packs) const;
  template <class T> void sum_rows(const T* x, std::int64_t rows, std::int64_t columns, Accumulator<T>* y);

 private:
  std::int64_t grid_limit_;
  std::vector<void*> scratch_;  // the last is the largest
  std::size_t scratch_bytes_ = 0;
};

// The kernels, each family in the file of its name where no other is named.
extern const MemoryKernels memory_kernels;
extern const RandomKernels random_kernels;  // memory.cu
extern const ElementwiseKernels elementwise_kernels;
extern const ReduceKernels reduce_kernels;
extern const BatchNormKernels batch_norm_kernels;
extern const PoolingKernels pooling_kernels;
extern const RowKernels row_kernels;
extern const CodingKernels coding_kernels;
extern const TsneKernels tsne_kernels;
extern const OptimizerKernels optimizer_kernels;
extern const ViewKernels view_kernels;  // augment.cu

}  // namespace mec::cuda::MEC_SIMT
