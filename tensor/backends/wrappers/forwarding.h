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
  const char* kernel;             // the name of the member of Backend
  std::vector<ConstView> inputs;  // the views it reads
  std::vector<View> outputs;      // the views it may write
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
  void upload(const void* host, View y) override { forward("upload", &Backend::upload, host, y); }
  void download(ConstView x, void* host) override { forward("download", &Backend::download, x, host); }
  void copy(ConstView x, View y) override { forward("copy", &Backend::copy, x, y); }
  void fill(View y, double value) override { forward("fill", &Backend::fill, y, value); }
  void fill_random(View y, const RandomArgs& args) override { forward("fill_random", &Backend::fill_random, y, args); }
  void transpose(ConstView x, View y) override { forward("transpose", &Backend::transpose, x, y); }
  void gather_rows(ConstView x, ConstView index, View y) override {
    forward("gather_rows", &Backend::gather_rows, x, index, y);
  }

  // Element by element
  void unary(UnaryOp op, ConstView x, View y) override { forward("unary", &Backend::unary, op, x, y); }
  void unary_grad(UnaryOp op, ConstView x, ConstView dy, View dx) override {
    forward("unary_grad", &Backend::unary_grad, op, x, dy, dx);
  }
  void binary(BinaryOp op, ConstView a, ConstView b, View y) override { forward("binary", &Backend::binary, op, a, b, y); }
  void axpby(ConstView x, View y, const AxpbyArgs& args) override { forward("axpby", &Backend::axpby, x, y, args); }
  void reduce(Reduce how, ConstView x, View y) override { forward("reduce", &Backend::reduce, how, x, y); }
  void all_finite(ConstView x, View flag) override { forward("all_finite", &Backend::all_finite, x, flag); }

  // Products and convolutions
  void matmul(ConstView a, ConstView b, View c, const MatmulArgs& args) override {
    forward("matmul", &Backend::matmul, a, b, c, args);
  }
  void conv2d(ConstView x, ConstView w, View y, const Conv2dArgs& args) override {
    forward("conv2d", &Backend::conv2d, x, w, y, args);
  }
  void conv2d_grad_input(ConstView dy, ConstView w, View dx, const Conv2dArgs& args) override {
    forward("conv2d_grad_input", &Backend::conv2d_grad_input, dy, w, dx, args);
  }
  void conv2d_grad_weight(ConstView dy, ConstView x, View dw, const Conv2dArgs& args) override {
    forward("conv2d_grad_weight", &Backend::conv2d_grad_weight, dy, x, dw, args);
  }

  // Batch norm
  void batch_norm_statistics(ConstView x, View mean, View var) override {
    forward("batch_norm_statistics", &Backend::batch_norm_statistics, x, mean, var);
  }
  void batch_norm_apply(ConstView x, ConstView mean, ConstView var, ConstView gamma, ConstView beta, ConstView add, View y,
                        const BatchNormArgs& args) override {
    forward("batch_norm_apply", &Backend::batch_norm_apply, x, mean, var, gamma, beta, add, y, args);
  }
  void batch_norm_grad_reduce(ConstView dy, ConstView x, ConstView y, ConstView mean, ConstView var, ConstView gamma,
                              ConstView beta, View dgamma, View dbeta, const BatchNormArgs& args) override {
    forward("batch_norm_grad_reduce", &Backend::batch_norm_grad_reduce, dy, x, y, mean, var, gamma, beta, dgamma, dbeta, args);
  }
  void batch_norm_grad_apply(ConstView dy, ConstView x, ConstView y, ConstView mean, ConstView var, ConstView gamma,
                             ConstView beta, ConstView dgamma, ConstView dbeta, double count, View dx, View dadd,
                             const BatchNormArgs& args) override {
    forward("batch_norm_grad_apply", &Backend::batch_norm_grad_apply, dy, x, y, mean, var, gamma, beta, dgamma, dbeta, count,
            dx, dadd, args);
  }

  // Pooling
  void max_pool2d(ConstView x, View y, View argmax, const Pool2dArgs& args) override {
    forward("max_pool2d", &Backend::max_pool2d, x, y, argmax, args);
  }
  void max_pool2d_grad(ConstView dy, ConstView argmax, View dx, const Pool2dArgs& args) override {
    forward("max_pool2d_grad", &Backend::max_pool2d_grad, dy, argmax, dx, args);
  }
  void global_avg_pool(ConstView x, View y) override { forward("global_avg_pool", &Backend::global_avg_pool, x, y); }
  void global_avg_pool_grad(ConstView dy, View dx) override {
    forward("global_avg_pool_grad", &Backend::global_avg_pool_grad, dy, dx);
  }

  // Rows
  void normalize_rows(ConstView x, View y, View inv_norm, double eps) override {
    forward("normalize_rows", &Backend::normalize_rows, x, y, inv_norm, eps);
  }
  void normalize_rows_grad(ConstView y, ConstView inv_norm, ConstView dy, View dx) override {
    forward("normalize_rows_grad", &Backend::normalize_rows_grad, y, inv_norm, dy, dx);
  }
  void cross_entropy(ConstView logits, ConstView labels, View loss, View dlogits) override {
    forward("cross_entropy", &Backend::cross_entropy, logits, labels, loss, dlogits);
  }
  void top_k(ConstView x, View values, View indices) override { forward("top_k", &Backend::top_k, x, values, indices); }

  // Decompositions
  void lu(View a, View pivots, View log_det) override { forward("lu", &Backend::lu, a, pivots, log_det); }
  void lu_inverse(ConstView lu, ConstView pivots, View inverse) override {
    forward("lu_inverse", &Backend::lu_inverse, lu, pivots, inverse);
  }
  void cholesky(View a, View log_det) override { forward("cholesky", &Backend::cholesky, a, log_det); }

  // Coding length
  void power_traces(std::span<const ConstView> powers, View traces) override {
    forward("power_traces", &Backend::power_traces, powers, traces);
  }
  void matrix_polynomial(std::span<const ConstView> powers, std::span<const double> coefficients, View y) override {
    forward("matrix_polynomial", &Backend::matrix_polynomial, powers, coefficients, y);
  }
  void symmetrize(ConstView x, View y) override { forward("symmetrize", &Backend::symmetrize, x, y); }
  void coding_scale(ConstView lambda, ConstView u, ConstView v, View scale, const CodingScaleArgs& args) override {
    forward("coding_scale", &Backend::coding_scale, lambda, u, v, scale, args);
  }
  void coding_loss(ConstView traces, ConstView scale, View result, const CodingLossArgs& args) override {
    forward("coding_loss", &Backend::coding_loss, traces, scale, result, args);
  }

  // t-SNE
  void tsne_forces(ConstView p, ConstView y, View attraction, View repulsion, View weights) override {
    forward("tsne_forces", &Backend::tsne_forces, p, y, attraction, repulsion, weights);
  }

  // Optimiser
  void sgd_update(View w, ConstView g, View v, ConstView rate, ConstView offsets, ConstView segment_rates,
                  const SgdArgs& args) override {
    forward("sgd_update", &Backend::sgd_update, w, g, v, rate, offsets, segment_rates, args);
  }
  void adamw_update(View w, ConstView g, View m, View v, ConstView rate, ConstView correction, ConstView offsets,
                    ConstView segment_rates, const AdamWArgs& args) override {
    forward("adamw_update", &Backend::adamw_update, w, g, m, v, rate, correction, offsets, segment_rates, args);
  }
  void lars_rates(ConstView w, ConstView g, ConstView offsets, View segment_rates, const LarsArgs& args) override {
    forward("lars_rates", &Backend::lars_rates, w, g, offsets, segment_rates, args);
  }
  void ema_update(View teacher, ConstView w, ConstView coefficient) override {
    forward("ema_update", &Backend::ema_update, teacher, w, coefficient);
  }

 protected:
  virtual void on_call(KernelCall call) { call.run(); }
  const Device& inner() const { return inner_; }

 private:
  template <class T> static const T& owned(const T& argument) { return argument; }
  template <class T> static std::vector<T> owned(std::span<const T> argument) { return {argument.begin(), argument.end()}; }

  template <class T> static void add_views(KernelCall& call, const T& argument) {
    if constexpr (std::is_same_v<T, View>) {
      if (argument.data) call.outputs.push_back(argument);
    } else if constexpr (std::is_same_v<T, ConstView>) {
      if (argument.data) call.inputs.push_back(argument);
    } else if constexpr (std::is_same_v<T, std::span<const ConstView>>) {
      call.inputs.insert(call.inputs.end(), argument.begin(), argument.end());
    }
  }

  void make_views(ConstView pixels, ConstView images, ConstView params, View y, const MakeViewsArgs& args) override {
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
