// The reference backend: every kernel as plain loops in the order of its formula. It is the
// textbook, the oracle of every test, and the f64 path of gradient checks. Sums are kept in
// Accumulator<T>: bf16 is widened to f32 and rounded once, on writing.
#pragma once

#include "mec/tensor/backend.h"

namespace mec::reference {

class ReferenceBackend final : public Backend {
 public:
  std::string name() const override { return "reference"; }
  CachingAllocator& allocator() override { return allocator_; }
  bool supports(Dtype dtype) const override { return is_floating(dtype); }
  bool host_readable() const override { return true; }

  // memory.cpp
  void upload(const void* host, View y) override;
  void download(ConstView x, void* host) override;
  void copy(ConstView x, View y) override;
  void fill(View y, double value) override;
  void fill_random(View y, const RandomArgs& args) override;
  void transpose(ConstView x, View y) override;
  void gather_rows(ConstView x, ConstView index, View y) override;

  // elementwise.cpp
  void unary(UnaryOp op, ConstView x, View y) override;
  void unary_grad(UnaryOp op, ConstView x, ConstView dy, View dx) override;
  void binary(BinaryOp op, ConstView a, ConstView b, View y) override;
  void axpby(ConstView x, View y, const AxpbyArgs& args) override;
  void reduce(Reduce how, ConstView x, View y) override;
  void all_finite(ConstView x, View flag) override;

  // matmul.cpp, convolution.cpp
  void matmul(ConstView a, ConstView b, View c, const MatmulArgs& args) override;
  void conv2d(ConstView x, ConstView w, View y, const Conv2dArgs& args) override;
  void conv2d_grad_input(ConstView dy, ConstView w, View dx, const Conv2dArgs& args) override;
  void conv2d_grad_weight(ConstView dy, ConstView x, View dw, const Conv2dArgs& args) override;

  // batch_norm.cpp
  void batch_norm_statistics(ConstView x, View mean, View var) override;
  void batch_norm_apply(ConstView x, ConstView mean, ConstView var, ConstView gamma, ConstView beta, ConstView add, View y,
                        const BatchNormArgs& args) override;
  void batch_norm_grad_reduce(ConstView dy, ConstView x, ConstView y, ConstView mean, ConstView var, ConstView gamma,
                              ConstView beta, View dgamma, View dbeta, const BatchNormArgs& args) override;
  void batch_norm_grad_apply(ConstView dy, ConstView x, ConstView y, ConstView mean, ConstView var, ConstView gamma,
                             ConstView beta, ConstView dgamma, ConstView dbeta, double count, View dx, View dadd,
                             const BatchNormArgs& args) override;

  // pooling.cpp
  void max_pool2d(ConstView x, View y, View argmax, const Pool2dArgs& args) override;
  void max_pool2d_grad(ConstView dy, ConstView argmax, View dx, const Pool2dArgs& args) override;
  void global_avg_pool(ConstView x, View y) override;
  void global_avg_pool_grad(ConstView dy, View dx) override;

  // rows.cpp
  void normalize_rows(ConstView x, View y, View inv_norm, double eps) override;
  void normalize_rows_grad(ConstView y, ConstView inv_norm, ConstView dy, View dx) override;
  void cross_entropy(ConstView logits, ConstView labels, View loss, View dlogits) override;
  void top_k(ConstView x, View values, View indices) override;

  // linalg.cpp
  void lu(View a, View pivots, View log_det) override;
  void lu_inverse(ConstView lu, ConstView pivots, View inverse) override;
  void cholesky(View a, View log_det) override;

  // coding.cpp
  void power_traces(std::span<const ConstView> powers, View traces) override;
  void matrix_polynomial(std::span<const ConstView> powers, std::span<const double> coefficients, View y) override;
  void symmetrize(ConstView x, View y) override;
  void coding_scale(ConstView lambda, ConstView u, ConstView v, View scale, const CodingScaleArgs& args) override;
  void coding_loss(ConstView traces, ConstView scale, View result, const CodingLossArgs& args) override;

  // tsne.cpp
  void tsne_forces(ConstView p, ConstView y, View attraction, View repulsion, View weights) override;

  // optimizer.cpp
  void sgd_update(View w, ConstView g, View v, ConstView rate, ConstView offsets, ConstView segment_rates,
                  const SgdArgs& args) override;
  void adamw_update(View w, ConstView g, View m, View v, ConstView rate, ConstView correction, ConstView offsets,
                    ConstView segment_rates, const AdamWArgs& args) override;
  void lars_rates(ConstView w, ConstView g, ConstView offsets, View segment_rates, const LarsArgs& args) override;
  void ema_update(View teacher, ConstView w, ConstView coefficient) override;

 private:
  CachingAllocator allocator_;
};

}  // namespace mec::reference
