#include "mec/tensor/cpu/onednn.h"

#if MEC_HAVE_ONEDNN

#include "mec/tensor/cpu/onednn_plan.h"

namespace mec::cpu {

struct OneDnn::State {
  dnnl::engine engine{dnnl::engine::kind::cpu, 0};
  std::mutex mutex;
  Plans<ConvKey> convolutions;
  Plans<MatmulKey> products;

  template <class Key> OneDnnPlan* find(Plans<Key>& plans, const Key& key) {
    const std::lock_guard lock(mutex);
    for (const auto& [other, plan] : plans) {
      if (other == key) return plan.get();
    }
    plans.emplace_back(key, make_plan(engine, key));
    return plans.back().second.get();
  }
};

OneDnn::OneDnn() : state_(std::make_unique<State>()) {}
OneDnn::~OneDnn() = default;

OneDnnPlan* OneDnn::convolution(ConvDirection direction, const ConstView& a, const ConstView& b, const ConstView& result,
                                const Conv2dArgs& args) {
  if (a.dtype == Dtype::f64) return nullptr;
  ConvKey key{.direction = direction,
              .x = a.shape,
              .w = b.shape,
              .y = result.shape,
              .operands = a.dtype,
              .result = result.dtype,
              .stride = args.stride,
              .pad = args.pad,
              .dilation = args.dilation,
              .groups = args.groups,
              .accumulate = args.accumulate && direction == ConvDirection::grad_weight};
  if (direction != ConvDirection::forward) std::swap(key.x, key.y);  // (dy, w, dx), (dy, x, dw)
  if (direction == ConvDirection::grad_weight) std::swap(key.x, key.w);
  return state_->find(state_->convolutions, key);
}

OneDnnPlan* OneDnn::matmul(const ConstView& a, const ConstView& result, const MatmulArgs& args) {
  if (a.dtype == Dtype::f64) return nullptr;
  const MatmulKey key{.m = result.shape[0],
                      .n = result.shape[1],
                      .k = a.shape[args.trans_a ? 0 : 1],
                      .trans_a = args.trans_a,
                      .trans_b = args.trans_b,
                      .accumulate = args.accumulate,
                      .operands = a.dtype,
                      .result = result.dtype};
  return state_->find(state_->products, key);
}

}  // namespace mec::cpu

#else

namespace mec::cpu {

struct OneDnn::State {};
OneDnn::OneDnn() = default;
OneDnn::~OneDnn() = default;
OneDnnPlan* OneDnn::convolution(ConvDirection, const ConstView&, const ConstView&, const ConstView&, const Conv2dArgs&) {
  return nullptr;
}
OneDnnPlan* OneDnn::matmul(const ConstView&, const ConstView&, const MatmulArgs&) { return nullptr; }

}  // namespace mec::cpu

#endif
