// The CPU backend's own kernels, compiled once for each instruction set (see parallel.h for what
// such files may use).
#pragma once

#include "mec/tensor/backends/cpu/backend.h"
#include "mec/tensor/backends/cpu/parallel.h"

namespace mec::cpu::MEC_ISA {

class LoopsBackend final : public CpuBackend {
 public:
  using CpuBackend::CpuBackend;

  // memory.cpp
  void copy(In x, Out y) override;
  void fill(Out y, double value) override;
  void transpose(In x, Out y) override;
  void gather_rows(In x, In index, Out y) override;

  // elementwise.cpp, reduce.cpp
  void unary(UnaryOp op, In x, Out y) override;
  void unary_grad(UnaryOp op, In x, In dy, Out dx) override;
  void binary(BinaryOp op, In a, In b, Out y) override;
  void axpby(In x, Out y, const AxpbyArgs& args) override;
  void reduce(Reduce how, In x, Out y) override;
  void all_finite(In x, Out flag) override;

  // batch_norm.cpp
  void batch_norm_statistics(In x, Out mean, Out var) override;
  void batch_norm_apply(In x, In mean, In var, In gamma, In beta, In add, Out y, const BatchNormArgs& args) override;
  void batch_norm_grad_reduce(In dy, In x, In y, In mean, In var, In gamma, In beta, Out dgamma, Out dbeta,
                              const BatchNormArgs& args) override;
  void batch_norm_grad_apply(In dy, In x, In y, In mean, In var, In gamma, In beta, In dgamma, In dbeta, double count, Out dx,
                             Out dadd, const BatchNormArgs& args) override;

  // pooling.cpp
  void max_pool2d(In x, Out y, Out argmax, const Pool2dArgs& args) override;
  void max_pool2d_grad(In dy, In argmax, Out dx, const Pool2dArgs& args) override;
  void global_avg_pool(In x, Out y) override;
  void global_avg_pool_grad(In dy, Out dx) override;

  // rows.cpp
  void normalize_rows(In x, Out y, Out inv_norm, double eps) override;
  void normalize_rows_grad(In y, In inv_norm, In dy, Out dx) override;
  void cross_entropy(In logits, In labels, Out loss, Out dlogits) override;
  void top_k(In x, Out values, Out indices) override;

  // coding.cpp
  void power_traces(std::span<const In> powers, Out traces) override;
  void matrix_polynomial(std::span<const In> powers, std::span<const double> coefficients, Out y) override;
  void symmetrize(In x, Out y) override;
  void coding_scale(In lambda, In u, In v, Out scale, const CodingScaleArgs& args) override;
  void coding_loss(In traces, In scale, Out result, const CodingLossArgs& args) override;

  // tsne.cpp
  void tsne_forces(In p, In y, Out attraction, Out repulsion, Out weights) override;

  // optimizer.cpp
  void sgd_update(Out w, In g, Out v, In rate, In offsets, In segment_rates, const SgdArgs& args) override;
  void adamw_update(Out w, In g, Out m, Out v, In rate, In correction, In offsets, In segment_rates,
                    const AdamWArgs& args) override;
  void lars_rates(In w, In g, In offsets, Out segment_rates, const LarsArgs& args) override;
  void ema_update(Out teacher, In w, In coefficient) override;

 protected:
  // portable_matmul.cpp, portable_convolution.cpp, portable_linalg.cpp
  void portable_matmul(In a, In b, Out c, const MatmulArgs& args) override;
  void portable_conv2d(In x, In w, Out y, const Conv2dArgs& args) override;
  void portable_conv2d_grad_input(In dy, In w, Out dx, const Conv2dArgs& args) override;
  void portable_conv2d_grad_weight(In dy, In x, Out dw, const Conv2dArgs& args) override;
  void portable_lu(Out a, Out pivots) override;
  void portable_lu_inverse(In lu, In pivots, Out inverse) override;
  bool portable_cholesky(Out a) override;
};

}  // namespace mec::cpu::MEC_ISA
