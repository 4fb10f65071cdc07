// Convolution plans. oneDNN picks the layout of the weights, which costs a reorder per call (0.5 ms
// per step for ResNet-18 of width 16); told to take OHWI as it is, it falls back to its reference
// kernels. Activations stay NHWC.
#if MEC_HAVE_ONEDNN

#include "mec/tensor/backends/cpu/onednn_defects.h"
#include "mec/tensor/backends/cpu/onednn_plan.h"

namespace mec::cpu {
namespace {

using dnnl::memory;
using Tag = memory::format_tag;

// The three descriptors of a convolution, as oneDNN is asked for them: dimensions are NCHW and OIHW
// whatever the layout.
struct Descs {
  memory::desc x, w, y;
};

memory::desc activation_desc(const Shape& s, Dtype dtype, Tag tag) {
  return {{s[0], s[3], s[1], s[2]}, onednn_type(dtype), tag};
}

memory::dims weight_dims(const ConvKey& key) {
  const Shape& w = key.w;
  if (key.groups == 1) return {w[0], w[3], w[1], w[2]};
  return {key.groups, w[0] / key.groups, w[3], w[1], w[2]};
}

Dtype dtype_of_part(const ConvKey& key, ConvDirection part) { return key.direction == part ? key.result : key.operands; }

// With 16 channels, oneDNN's blocked layout nChw16c is byte for byte NHWC, and one channel makes
// NHWC the same as NCHW. Described in that way, they get faster kernels: ResNet-18's first stage
// gains a quarter.
bool same_as_blocked(const Shape& s) { return s[3] == 16 || s[3] == 1; }
Tag blocked_tag(const Shape& s) { return s[3] == 16 ? Tag::nChw16c : Tag::nchw; }

Descs make_descs(const ConvKey& key, bool blocked) {
  return {activation_desc(key.x, dtype_of_part(key, ConvDirection::grad_input), blocked ? blocked_tag(key.x) : Tag::nhwc),
          memory::desc(weight_dims(key), onednn_type(dtype_of_part(key, ConvDirection::grad_weight)), Tag::any),
          activation_desc(key.y, dtype_of_part(key, ConvDirection::forward), blocked ? blocked_tag(key.y) : Tag::nhwc)};
}

api::ConvGeometry make_geometry(const ConvKey& key) {
  // The padding after the image follows from the output size: it may be less than `pad`, even
  // negative.
  const auto after = [&](int axis) {
    return (key.y[axis] - 1) * key.stride + key.dilation * (key.w[axis] - 1) + 1 - key.x[axis] - key.pad;
  };
  return {.stride = {key.stride, key.stride},
          .dilation = {key.dilation - 1, key.dilation - 1},
          .pad_before = {key.pad, key.pad},
          .pad_after = {after(1), after(2)}};
}

// Whether the kernel is not oneDNN's reference kernel, and has no known defect for these sizes.
bool usable(const ConvKey& key, const std::string& kernel) {
  const dnnl::version_t& version = *dnnl::version();
  return kernel.find("ref") == std::string::npos &&
         find_defect(key, kernel, version_number(version.major, version.minor, version.patch)) == nullptr;
}

class ConvPlan : public OneDnnPlan {
 public:
  ConvPlan(const dnnl::engine& engine, const ConvKey& key, bool blocked) : key_(key), stream_(engine) {
    const Descs d = make_descs(key, blocked);
    const api::ConvGeometry geometry = make_geometry(key);
    Descs hint = d;  // the backward primitives want a forward one of the operands' type
    hint.x = activation_desc(key.x, key.operands, blocked ? blocked_tag(key.x) : Tag::nhwc);
    hint.w = memory::desc(weight_dims(key), onednn_type(key.operands), Tag::any);
    hint.y = activation_desc(key.y, key.operands, blocked ? blocked_tag(key.y) : Tag::nhwc);
    const auto forward = api::forward_pd(engine, key.direction == ConvDirection::forward ? d.x : hint.x, hint.w,
                                         key.direction == ConvDirection::forward ? d.y : hint.y, geometry);
    switch (key.direction) {
      case ConvDirection::forward:
        setup(engine, forward, DNNL_ARG_SRC, forward.src_desc(), DNNL_ARG_WEIGHTS, forward.weights_desc(), DNNL_ARG_DST,
              forward.dst_desc());
        break;
      case ConvDirection::grad_input: {
        const auto pd = api::grad_input_pd(engine, d.x, d.w, d.y, geometry, forward);
        setup(engine, pd, DNNL_ARG_DIFF_DST, pd.diff_dst_desc(), DNNL_ARG_WEIGHTS, pd.weights_desc(), DNNL_ARG_DIFF_SRC,
              pd.diff_src_desc());
        break;
      }
      case ConvDirection::grad_weight: {
        const auto pd = api::grad_weight_pd(engine, d.x, d.w, d.y, geometry, forward);
        setup(engine, pd, DNNL_ARG_DIFF_DST, pd.diff_dst_desc(), DNNL_ARG_DIFF_WEIGHTS, pd.diff_weights_desc(), DNNL_ARG_SRC,
              pd.src_desc());
        break;
      }
    }
  }

  bool can_run() const { return static_cast<bool>(primitive_); }
  std::string kernel() const override { return kernel_; }
  std::size_t workspace_bytes() const override { return weight_bytes_ + scratchpad_bytes_; }

  void run(const void* a, const void* b, void* result, std::byte* workspace) override {
    const bool weight_is_result = key_.direction == ConvDirection::grad_weight;
    first_.set_data_handle(const_cast<void*>(a));
    other_.set_data_handle(weight_is_result ? const_cast<void*>(b) : result);
    void* const user_weight = weight_is_result ? result : const_cast<void*>(b);
    user_weight_.set_data_handle(user_weight);
    weight_.set_data_handle(reorder_ ? static_cast<void*>(workspace) : user_weight);
    scratchpad_.set_data_handle(workspace + weight_bytes_);
    if (reorder_ && !weight_is_result) reorder_.execute(stream_, reorder_args_);
    primitive_.execute(stream_, args_);
    if (reorder_ && weight_is_result) reorder_.execute(stream_, reorder_args_);
    stream_.wait();
  }

 private:
  template <class Pd>
  void setup(const dnnl::engine& engine, const Pd& pd, int first_arg, const memory::desc& first, int weight_arg,
             const memory::desc& weight, int other_arg, const memory::desc& other) {
    kernel_ = pd.impl_info_str();
    if (!usable(key_, kernel_)) return;
    primitive_ = dnnl::primitive(pd);
    first_ = memory(first, engine, nullptr);
    weight_ = memory(weight, engine, nullptr);
    other_ = memory(other, engine, nullptr);
    scratchpad_ = memory(pd.scratchpad_desc(), engine, nullptr);
    scratchpad_bytes_ = aligned(pd.scratchpad_desc().get_size());
    args_ = {{first_arg, first_}, {weight_arg, weight_}, {other_arg, other_}, {DNNL_ARG_SCRATCHPAD, scratchpad_}};

    const memory::desc user(weight_dims(key_), onednn_type(dtype_of_part(key_, ConvDirection::grad_weight)),
                            key_.groups == 1 ? Tag::ohwi : Tag::gohwi);
    user_weight_ = memory(user, engine, nullptr);
    if (user == weight && !key_.accumulate) return;
    weight_bytes_ = aligned(weight.get_size());
    dnnl::primitive_attr attr;
    if (key_.accumulate) {
      dnnl::post_ops sum;
      sum.append_sum(1.0F);
      attr.set_post_ops(sum);
    }
    const bool weight_is_result = key_.direction == ConvDirection::grad_weight;
    const memory& from = weight_is_result ? weight_ : user_weight_;
    const memory& to = weight_is_result ? user_weight_ : weight_;
    reorder_ = dnnl::reorder(from, to, attr);
    reorder_args_ = {{DNNL_ARG_FROM, from}, {DNNL_ARG_TO, to}};
  }

  const ConvKey key_;
  dnnl::stream stream_;
  dnnl::primitive primitive_, reorder_;
  memory first_, weight_, other_, user_weight_, scratchpad_;
  std::unordered_map<int, memory> args_, reorder_args_;
  std::size_t weight_bytes_ = 0, scratchpad_bytes_ = 0;
  std::string kernel_;
};

}  // namespace

std::unique_ptr<OneDnnPlan> make_plan(const dnnl::engine& engine, const ConvKey& key) {
  const bool can_block = key.groups == 1 && same_as_blocked(key.x) && same_as_blocked(key.y);
  for (const bool blocked : {true, false}) {
    if (blocked && !can_block) continue;
    try {
      auto plan = std::make_unique<ConvPlan>(engine, key, blocked);
      if (plan->can_run()) return plan;
    } catch (const dnnl::error&) {
      // Not implemented for these types, sizes and this processor: the next layout is tried, and
      // then our own kernel runs.
    }
  }
  return nullptr;
}

}  // namespace mec::cpu

#endif
