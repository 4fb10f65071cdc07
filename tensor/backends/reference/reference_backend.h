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
  void upload(const void* host, Out y) override;
  void download(In x, void* host) override;
  void copy(In x, Out y) override;
  void fill(Out y, double value) override;
  void fill_random(Out y, const RandomArgs& args) override;
  void transpose(In x, Out y) override;
  void gather_rows(In x, In index, Out y) override;

  // elementwise.cpp
  void unary(UnaryOp op, In x, Out y) override;
  void unary_grad(UnaryOp op, In x, In dy, Out dx) override;
  void binary(BinaryOp op, In a, In b, Out y) override;
  void axpby(In x, Out y, const AxpbyArgs& args) override;
  void reduce(Reduce how, In x, Out y) override;
  void all_finite(In x, Out flag) override;

  // matmul.cpp, convolution.cpp
  void matmul(In a, In b, Out c, const MatmulArgs& args) override;
  void conv2d(In x, In w, Out y, const Conv2dArgs& args) override;
  void conv2d_grad_input(In dy, In w, Out dx, const Conv2dArgs& args) override;
  void conv2d_grad_weight(In dy, In x, Out dw, const Conv2dArgs& args) override;

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

  // linalg.cpp
  void lu(Out a, Out pivots, Out log_det) override;
  void lu_inverse(In lu, In pivots, Out inverse) override;
  void cholesky(Out a, Out log_det) override;

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

 private:
  CachingAllocator allocator_;
};

}  // namespace mec::reference
