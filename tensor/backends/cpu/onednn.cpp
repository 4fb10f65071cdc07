#include "mec/tensor/backends/cpu/onednn.h"

#if MEC_HAVE_ONEDNN

#include "mec/tensor/backends/cpu/addresses.h"
#include "mec/tensor/backends/cpu/kernel_choice.h"
#include "mec/tensor/backends/cpu/onednn_plan.h"
#include "mec/tensor/backends/cpu/threads.h"

namespace mec::cpu {

bool has_onednn() { return true; }

// AMX multiplies bf16 many times faster than f32.
bool onednn_multiplies_bf16() {
  const auto has = [](dnnl::cpu_isa isa) {  // sets of bits: a later set holds the earlier ones
    const auto bits = static_cast<unsigned>(isa);
    return (static_cast<unsigned>(dnnl::get_effective_cpu_isa()) & bits) == bits;
  };
  return has(dnnl::cpu_isa::avx512_core_amx) || (has(dnnl::cpu_isa::avx512_core_bf16) && has_fast_avx512_bf16());
}

// More address space than any plan takes, for its code and for what is allocated to make it.
constexpr std::size_t kPlanAddresses = std::size_t{64} << 20;

struct OneDnn::State {
  dnnl::engine engine{dnnl::engine::kind::cpu, 0};
  std::mutex mutex;
  Plans<ConvKey> convolutions;
  Plans<MatmulKey> products;

  template <class Key> OneDnnPlan* find(Plans<Key>& plans, Key key) {
    key.threads = ThreadScope::current();
    const std::lock_guard lock(mutex);
    for (const auto& [other, plan] : plans) {
      if (other == key) return plan.get();
    }
    check_addresses(kPlanAddresses, "a kernel of oneDNN");
    plans.emplace_back(key, make_plan(engine, key));
    return plans.back().second.get();
  }
};

OneDnn::OneDnn() : state_(std::make_unique<State>()) {}
OneDnn::~OneDnn() = default;

OneDnnPlan* OneDnn::convolution(ConvDirection direction, const In& a, const In& b, const In& result, const Conv2dArgs& args) {
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

OneDnnPlan* OneDnn::matmul(const In& a, const In& result, const MatmulArgs& args) {
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

bool has_onednn() { return false; }
bool onednn_multiplies_bf16() { return false; }

struct OneDnn::State {};
OneDnn::OneDnn() = default;
OneDnn::~OneDnn() = default;
OneDnnPlan* OneDnn::convolution(ConvDirection, const In&, const In&, const In&, const Conv2dArgs&) { return nullptr; }
OneDnnPlan* OneDnn::matmul(const In&, const In&, const MatmulArgs&) { return nullptr; }

}  // namespace mec::cpu

#endif
