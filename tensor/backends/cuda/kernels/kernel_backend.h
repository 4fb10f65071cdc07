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
  void make_views(ConstView pixels, ConstView images, ConstView params, View y, const MakeViewsArgs& args) override;

  // memory.cu
  void copy(ConstView x, View y) override;
  void fill(View y, double value) override;
  void fill_random(View y, const RandomArgs& args) override;
  void transpose(ConstView x, View y) override;
  void gather_rows(ConstView x, ConstView index, View y) override;

  // elementwise.cu
  void unary(UnaryOp op, ConstView x, View y) override;
  void unary_grad(UnaryOp op, ConstView x, ConstView dy, View dx) override;
  void binary(BinaryOp op, ConstView a, ConstView b, View y) override;
  void axpby(ConstView x, View y, const AxpbyArgs& args) override;

  // reduce.cu
  void reduce(Reduce how, ConstView x, View y) override;
  void all_finite(ConstView x, View flag) override;

  // batch_norm.cu
  void batch_norm_statistics(ConstView x, View mean, View var) override;
  void batch_norm_apply(ConstView x, ConstView mean, ConstView var, ConstView gamma, ConstView beta, ConstView add, View y,
                        const BatchNormArgs& args) override;
  void batch_norm_grad_reduce(ConstView dy, ConstView x, ConstView y, ConstView mean, ConstView var, ConstView gamma,
                              ConstView beta, View dgamma, View dbeta, const BatchNormArgs& args) override;
  void batch_norm_grad_apply(ConstView dy, ConstView x, ConstView y, ConstView mean, ConstView var, ConstView gamma,
                             ConstView beta, ConstView dgamma, ConstView dbeta, double count, View dx, View dadd,
                             const BatchNormArgs& args) override;

  // pooling.cu
  void max_pool2d(ConstView x, View y, View argmax, const Pool2dArgs& args) override;
  void max_pool2d_grad(ConstView dy, ConstView argmax, View dx, const Pool2dArgs& args) override;
  void global_avg_pool(ConstView x, View y) override;
  void global_avg_pool_grad(ConstView dy, View dx) override;

  // rows.cu
  void normalize_rows(ConstView x, View y, View inv_norm, double eps) override;
  void normalize_rows_grad(ConstView y, ConstView inv_norm, ConstView dy, View dx) override;
  void cross_entropy(ConstView logits, ConstView labels, View loss, View dlogits) override;
  void top_k(ConstView x, View values, View indices) override;

  // coding.cu
  void power_traces(std::span<const ConstView> powers, View traces) override;
  void matrix_polynomial(std::span<const ConstView> powers, std::span<const double> coefficients, View y) override;
  void symmetrize(ConstView x, View y) override;
  void coding_scale(ConstView lambda, ConstView u, ConstView v, View scale, const CodingScaleArgs& args) override;
  void coding_loss(ConstView traces, ConstView scale, View result, const CodingLossArgs& args) override;

  // tsne.cu
  void tsne_forces(ConstView p, ConstView y, View attraction, View repulsion, View weights) override;

  // optimizer.cu
  void sgd_update(View w, ConstView g, View v, ConstView rate, ConstView offsets, ConstView segment_rates,
                  const SgdArgs& args) override;
  void adamw_update(View w, ConstView g, View m, View v, ConstView rate, ConstView correction, ConstView offsets,
                    ConstView segment_rates, const AdamWArgs& args) override;
  void lars_rates(ConstView w, ConstView g, ConstView offsets, View segment_rates, const LarsArgs& args) override;
  void ema_update(View teacher, ConstView w, ConstView coefficient) override;

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
  void tiled_product(ConstView a, ConstView b, View c, const MatmulArgs& args);

  // columns.h
  // Groups of channels × `chunks` chunks, or as many as the limit allows.
  simt::Grid grid_for_columns(const Columns& matrix, std::int64_t chunks) const;
  // The same, where no sum depends on how many chunks there are.
  simt::Grid grid_for_rows(const Columns& matrix, std::int64_t chunks) const;
  template <int V, class Source, class Result>
  void fold_columns(const char* name, const Columns& matrix, const Source& source, const Result& result);

  // determinants.cu: what is left to do around a library's decompositions.
  void identity(View y);                                                                  // (n,n)
  // Rows counted from first_row.
  void lu_log_det(ConstView lu, ConstView pivots, std::int32_t first_row, View log_det);
  void refuse_singular(ConstView lu, View inverse);                                       // NaN where there is none
  // Info (1): 0 where it went well.
  void cholesky_log_det(ConstView lower, const int* info, View log_det);

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
