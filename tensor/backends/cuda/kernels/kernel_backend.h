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

class KernelBackend : public Backend, public ViewMaker {
 public:
  // A grid has at most `grid_limit` blocks: as many as a device can ever run at a time. Sums that
  // follow from the grid follow from this number; grids that share out a loop (Grid::loop) are made
  // smaller where the kernel's registers allow fewer blocks.
  explicit KernelBackend(std::int64_t grid_limit) : grid_limit_(grid_limit) {}

  // augment.cu
  ViewMaker* view_maker() override { return this; }
  void make_views(In pixels, In images, In params, Out y, const MakeViewsArgs& args) override;

  // memory.cu
  void copy(In x, Out y) override;
  void fill(Out y, double value) override;
  void fill_random(Out y, const RandomArgs& args) override;
  void transpose(In x, Out y) override;
  void gather_rows(In x, In index, Out y) override;

  // elementwise.cu
  void unary(UnaryOp op, In x, Out y) override;
  void unary_grad(UnaryOp op, In x, In dy, Out dx) override;
  void binary(BinaryOp op, In a, In b, Out y) override;
  void axpby(In x, Out y, const AxpbyArgs& args) override;

  // reduce.cu
  void reduce(Reduce how, In x, Out y) override;
  void all_finite(In x, Out flag) override;

  // batch_norm.cu
  void batch_norm_statistics(In x, Out mean, Out var) override;
  void batch_norm_apply(In x, In mean, In var, In gamma, In beta, In add, Out y, const BatchNormArgs& args) override;
  void batch_norm_grad_reduce(In dy, In x, In y, In mean, In var, In gamma, In beta, Out dgamma, Out dbeta,
                              const BatchNormArgs& args) override;
  void batch_norm_grad_apply(In dy, In x, In y, In mean, In var, In gamma, In beta, In dgamma, In dbeta, double count, Out dx,
                             Out dadd, const BatchNormArgs& args) override;

  // pooling.cu
  void max_pool2d(In x, Out y, Out argmax, const Pool2dArgs& args) override;
  void max_pool2d_grad(In dy, In argmax, Out dx, const Pool2dArgs& args) override;
  void global_avg_pool(In x, Out y) override;
  void global_avg_pool_grad(In dy, Out dx) override;

  // rows.cu
  void normalize_rows(In x, Out y, Out inv_norm, double eps) override;
  void normalize_rows_grad(In y, In inv_norm, In dy, Out dx) override;
  void cross_entropy(In logits, In labels, Out loss, Out dlogits) override;
  void top_k(In x, Out values, Out indices) override;

  // coding.cu
  void power_traces(std::span<const In> powers, Out traces) override;
  void matrix_polynomial(std::span<const In> powers, std::span<const double> coefficients, Out y) override;
  void symmetrize(In x, Out y) override;
  void coding_scale(In lambda, In u, In v, Out scale, const CodingScaleArgs& args) override;
  void coding_loss(In traces, In scale, Out result, const CodingLossArgs& args) override;

  // tsne.cu
  void tsne_forces(In p, In y, Out attraction, Out repulsion, Out weights) override;

  // optimizer.cu
  void sgd_update(Out w, In g, Out v, In rate, In offsets, In segment_rates, const SgdArgs& args) override;
  void adamw_update(Out w, In g, Out m, Out v, In rate, In correction, In offsets, In segment_rates,
                    const AdamWArgs& args) override;
  void lars_rates(In w, In g, In offsets, Out segment_rates, const LarsArgs& args) override;
  void ema_update(Out teacher, In w, In coefficient) override;

 protected:
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

  // tiled_product.cu: as Backend::matmul, of any sizes and alignment, for what a library has no
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
  // Rows counted from first_row.
  void lu_log_det(In lu, In pivots, std::int32_t first_row, Out log_det);
  void refuse_singular(In lu, Out inverse);  // NaN where there is none
  // Info (1): 0 where it went well.
  void cholesky_log_det(In lower, const int* info, Out log_det);

  // Memory for partial results within one kernel. What an earlier call returned may be handed out
  // again; it stays at its address while the backend lives, since a captured step writes there.
  void* scratch(std::size_t bytes);
  template <class T> T* scratch_array(std::int64_t count) {
    return static_cast<T*>(scratch(static_cast<std::size_t>(count) * sizeof(T)));
  }

 private:
  // reduce.cu
  simt::Grid grid_for_long_rows(std::int64_t rows, std::int64_t packs) const;
  template <class T> void sum_rows(const T* x, std::int64_t rows, std::int64_t columns, Accumulator<T>* y);

  std::int64_t grid_limit_;
  std::vector<void*> scratch_;  // the last is the largest
  std::size_t scratch_bytes_ = 0;
};

}  // namespace mec::cuda::MEC_SIMT
