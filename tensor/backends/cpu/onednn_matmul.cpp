// Plans of matrix products: bf16 and f32 operands.
#if MEC_HAVE_ONEDNN

#include "mec/tensor/backends/cpu/onednn_plan.h"

namespace mec::cpu {
namespace {

using dnnl::memory;

// A row-major (rows, columns) matrix, or that matrix seen through a transposition.
memory::desc matrix(std::int64_t rows, std::int64_t columns, Dtype dtype, bool transposed) {
  return {{rows, columns}, onednn_type(dtype), transposed ? memory::format_tag::ba : memory::format_tag::ab};
}

class MatmulPlan : public OneDnnPlan {
 public:
  MatmulPlan(const dnnl::engine& engine, const MatmulKey& key) : stream_(engine) {
    dnnl::primitive_attr attr = api::scratchpad_by_user();
    if (key.accumulate) {
      dnnl::post_ops sum;
      sum.append_sum(1.0F);
      attr.set_post_ops(sum);
    }
    const auto pd =
        api::matmul_pd(engine, matrix(key.m, key.k, key.operands, key.trans_a), matrix(key.k, key.n, key.operands, key.trans_b),
                       matrix(key.m, key.n, key.result, false), attr);
    kernel_ = pd.impl_info_str();
    primitive_ = dnnl::matmul(pd);
    a_ = memory(pd.src_desc(), engine, nullptr);
    b_ = memory(pd.weights_desc(), engine, nullptr);
    result_ = memory(pd.dst_desc(), engine, nullptr);
    scratchpad_ = memory(pd.scratchpad_desc(), engine, nullptr);
    args_ = {{DNNL_ARG_SRC, a_}, {DNNL_ARG_WEIGHTS, b_}, {DNNL_ARG_DST, result_}, {DNNL_ARG_SCRATCHPAD, scratchpad_}};
    workspace_bytes_ = pd.scratchpad_desc().get_size();
  }

  std::string kernel() const override { return kernel_; }
  std::size_t workspace_bytes() const override { return workspace_bytes_; }

  void run(const void* a, const void* b, void* result, std::byte* workspace) override {
    a_.set_data_handle(const_cast<void*>(a));
    b_.set_data_handle(const_cast<void*>(b));
    result_.set_data_handle(result);
    scratchpad_.set_data_handle(workspace);
    primitive_.execute(stream_, args_);
    stream_.wait();
  }

 private:
  dnnl::stream stream_;
  dnnl::primitive primitive_;
  memory a_, b_, result_, scratchpad_;
  std::unordered_map<int, memory> args_;
  std::size_t workspace_bytes_ = 0;
  std::string kernel_;
};

}  // namespace

std::unique_ptr<OneDnnPlan> make_plan(const dnnl::engine& engine, const MatmulKey& key) {
  try {
    auto plan = std::make_unique<MatmulPlan>(engine, key);
    if (plan->kernel().find("ref") == std::string::npos) return plan;
  } catch (const dnnl::error&) {
    // Not implemented for this processor: BLAS or our own kernel runs instead.
  }
  return nullptr;
}

}  // namespace mec::cpu

#endif
