// ForwardingBackend: a device that hands every kernel on to another device, through one function
// that a subclass may override to record, count, time or check it.
#pragma once

#include <functional>
#include <tuple>
#include <vector>

#include "mec/tensor/backend.h"

namespace mec {

// One call of a kernel with its arguments bound by value, so that it can run now, later, or again.
struct KernelCall {
  const char* kernel;        // the name of the member of Backend
  std::vector<In> inputs;    // the views it reads
  std::vector<Out> outputs;  // the views it may write
  std::function<void()> run;
};

class ForwardingBackend : public Backend, private ViewMaker {
 public:
  explicit ForwardingBackend(Device inner) : inner_(std::move(inner)) {}

  std::string name() const override { return inner_->name(); }
  CachingAllocator& allocator() override { return inner_->allocator(); }
  std::int64_t image_channels(std::int64_t file_channels) const override { return inner_->image_channels(file_channels); }
  bool supports(Dtype dtype) const override { return inner_->supports(dtype); }
  bool host_readable() const override { return inner_->host_readable(); }
  void synchronize() override { inner_->synchronize(); }
  ViewMaker* view_maker() override { return inner_->view_maker() ? this : nullptr; }

  // Memory
  void upload(const void* host, Out y) override { forward("upload", &Backend::upload, host, y); }
  void download(In x, void* host) override { forward("download", &Backend::download, x, host); }
  void copy(In x, Out y) override { forward("copy", &Backend::copy, x, y); }
  void fill(Out y, double value) override { forward("fill", &Backend::fill, y, value); }
  void fill_random(Out y, const RandomArgs& args) override { forward("fill_random", &Backend::fill_random, y, args); }
  void transpose(In x, Out y) override { forward("transpose", &Backend::transpose, x, y); }
  void gather_rows(In x, In index, Out y) override { forward("gather_rows", &Backend::gather_rows, x, index, y); }

  // Element by element
  void unary(UnaryOp op, In x, Out y) override { forward("unary", &Backend::unary, op, x, y); }
  void unary_grad(UnaryOp op, In x, In dy, Out dx) override { forward("unary_grad", &Backend::unary_grad, op, x, dy, dx); }
  void binary(BinaryOp op, In a, In b, Out y) override { forward("binary", &Backend::binary, op, a, b, y); }
  void axpby(In x, Out y, const AxpbyArgs& args) override { forward("axpby", &Backend::axpby, x, y, args); }
  void reduce(Reduce how, In x, Out y) override { forward("reduce", &Backend::reduce, how, x, y); }
  void all_finite(In x, Out flag) override { forward("all_finite", &Backend::all_finite, x, flag); }

  // Products and convolutions
  void matmul(In a, In b, Out c, const MatmulArgs& args) override { forward("matmul", &Backend::matmul, a, b, c, args); }
  void conv2d(In x, In w, Out y, const Conv2dArgs& args) override { forward("conv2d", &Backend::conv2d, x, w, y, args); }
  void conv2d_grad_input(In dy, In w, Out dx, const Conv2dArgs& args) override {
    forward("conv2d_grad_input", &Backend::conv2d_grad_input, dy, w, dx, args);
  }
  void conv2d_grad_weight(In dy, In x, Out dw, const Conv2dArgs& args) override {
    forward("conv2d_grad_weight", &Backend::conv2d_grad_weight, dy, x, dw, args);
  }

  // Batch norm
  void batch_norm_statistics(In x, Out mean, Out var) override {
    forward("batch_norm_statistics", &Backend::batch_norm_statistics, x, mean, var);
  }
  void batch_norm_apply(In x, In mean, In var, In gamma, In beta, In add, Out y, const BatchNormArgs& args) override {
    forward("batch_norm_apply", &Backend::batch_norm_apply, x, mean, var, gamma, beta, add, y, args);
  }
  void batch_norm_grad_reduce(In dy, In x, In y, In mean, In var, In gamma, In beta, Out dgamma, Out dbeta,
                              const BatchNormArgs& args) override {
    forward("batch_norm_grad_reduce", &Backend::batch_norm_grad_reduce, dy, x, y, mean, var, gamma, beta, dgamma, dbeta, args);
  }
  void batch_norm_grad_apply(In dy, In x, In y, In mean, In var, In gamma, In beta, In dgamma, In dbeta, double count, Out dx,
                             Out dadd, const BatchNormArgs& args) override {
    forward("batch_norm_grad_apply", &Backend::batch_norm_grad_apply, dy, x, y, mean, var, gamma, beta, dgamma, dbeta, count,
            dx, dadd, args);
  }

  // Pooling
  void max_pool2d(In x, Out y, Out argmax, const Pool2dArgs& args) override {
    forward("max_pool2d", &Backend::max_pool2d, x, y, argmax, args);
  }
  void max_pool2d_grad(In dy, In argmax, Out dx, const Pool2dArgs& args) override {
    forward("max_pool2d_grad", &Backend::max_pool2d_grad, dy, argmax, dx, args);
  }
  void global_avg_pool(In x, Out y) override { forward("global_avg_pool", &Backend::global_avg_pool, x, y); }
  void global_avg_pool_grad(In dy, Out dx) override { forward("global_avg_pool_grad", &Backend::global_avg_pool_grad, dy, dx); }

  // Rows
  void normalize_rows(In x, Out y, Out inv_norm, double eps) override {
    forward("normalize_rows", &Backend::normalize_rows, x, y, inv_norm, eps);
  }
  void normalize_rows_grad(In y, In inv_norm, In dy, Out dx) override {
    forward("normalize_rows_grad", &Backend::normalize_rows_grad, y, inv_norm, dy, dx);
  }
  void cross_entropy(In logits, In labels, Out loss, Out dlogits) override {
    forward("cross_entropy", &Backend::cross_entropy, logits, labels, loss, dlogits);
  }
  void top_k(In x, Out values, Out indices) override { forward("top_k", &Backend::top_k, x, values, indices); }

  // Decompositions
  void lu(Out a, Out pivots, Out log_det) override { forward("lu", &Backend::lu, a, pivots, log_det); }
  void lu_inverse(In lu, In pivots, Out inverse) override { forward("lu_inverse", &Backend::lu_inverse, lu, pivots, inverse); }
  void cholesky(Out a, Out log_det) override { forward("cholesky", &Backend::cholesky, a, log_det); }

  // Coding length
  void power_traces(std::span<const In> powers, Out traces) override {
    forward("power_traces", &Backend::power_traces, powers, traces);
  }
  void matrix_polynomial(std::span<const In> powers, std::span<const double> coefficients, Out y) override {
    forward("matrix_polynomial", &Backend::matrix_polynomial, powers, coefficients, y);
  }
  void symmetrize(In x, Out y) override { forward("symmetrize", &Backend::symmetrize, x, y); }
  void coding_scale(In lambda, In u, In v, Out scale, const CodingScaleArgs& args) override {
    forward("coding_scale", &Backend::coding_scale, lambda, u, v, scale, args);
  }
  void coding_loss(In traces, In scale, Out result, const CodingLossArgs& args) override {
    forward("coding_loss", &Backend::coding_loss, traces, scale, result, args);
  }

  // t-SNE
  void tsne_forces(In p, In y, Out attraction, Out repulsion, Out weights) override {
    forward("tsne_forces", &Backend::tsne_forces, p, y, attraction, repulsion, weights);
  }

  // Optimiser
  void sgd_update(Out w, In g, Out v, In rate, In offsets, In segment_rates, const SgdArgs& args) override {
    forward("sgd_update", &Backend::sgd_update, w, g, v, rate, offsets, segment_rates, args);
  }
  void adamw_update(Out w, In g, Out m, Out v, In rate, In correction, In offsets, In segment_rates,
                    const AdamWArgs& args) override {
    forward("adamw_update", &Backend::adamw_update, w, g, m, v, rate, correction, offsets, segment_rates, args);
  }
  void lars_rates(In w, In g, In offsets, Out segment_rates, const LarsArgs& args) override {
    forward("lars_rates", &Backend::lars_rates, w, g, offsets, segment_rates, args);
  }
  void ema_update(Out teacher, In w, In coefficient) override {
    forward("ema_update", &Backend::ema_update, teacher, w, coefficient);
  }

 protected:
  virtual void on_call(KernelCall call) { call.run(); }
  const Device& inner() const { return inner_; }

 private:
  template <class T> static const T& owned(const T& argument) { return argument; }
  template <class T> static std::vector<T> owned(std::span<const T> argument) { return {argument.begin(), argument.end()}; }

  template <class T> static void add_views(KernelCall& call, const T& argument) {
    if constexpr (std::is_same_v<T, Out>) {
      if (argument.data) call.outputs.push_back(argument);
    } else if constexpr (std::is_same_v<T, In>) {
      if (argument.data) call.inputs.push_back(argument);
    } else if constexpr (std::is_same_v<T, std::span<const In>>) {
      call.inputs.insert(call.inputs.end(), argument.begin(), argument.end());
    }
  }

  void make_views(In pixels, In images, In params, Out y, const MakeViewsArgs& args) override {
    forward_to(inner_->view_maker(), "make_views", &ViewMaker::make_views, pixels, images, params, y, args);
  }

  template <class... Parameters, class... Arguments>
  void forward(const char* name, void (Backend::*kernel)(Parameters...), const Arguments&... arguments) {
    forward_to(inner_.get(), name, kernel, arguments...);
  }
  template <class Target, class... Parameters, class... Arguments>
  void forward_to(Target* device, const char* name, void (Target::*kernel)(Parameters...), const Arguments&... arguments) {
    KernelCall call{.kernel = name, .inputs = {}, .outputs = {}, .run = {}};
    (add_views(call, arguments), ...);
    call.run = [device, kernel, saved = std::make_tuple(owned(arguments)...)] {
      std::apply([&](const auto&... values) { (device->*kernel)(values...); }, saved);
    };
    on_call(std::move(call));
  }

  Device inner_;
};

}  // namespace mec
