// The kernels and methods that have test cases of their own on a GPU: an error that stays on a
// device, as it does after an illegal address, fails all that follows in the same process, so that
// each must be possible to run by itself. tests/tensor/backend_cases.cpp and
// tests/ssl/objective_steps.cpp hold these lists against the tables.
#pragma once

#include <set>
#include <string>

// A line stays as it is when a name is added to another.
// clang-format off
#define MEC_FOR_EACH_KERNEL(visit) \
  visit("adamw_update") visit("all_finite") visit("axpby") visit("batch_norm_apply") \
  visit("batch_norm_grad_apply") visit("batch_norm_grad_reduce") visit("batch_norm_statistics") visit("binary") \
  visit("cholesky") visit("coding_loss") visit("coding_scale") visit("conv2d") visit("conv2d_batch_norm") \
  visit("conv2d_grad_input") visit("conv2d_grad_weight") visit("copy") visit("copy_when") \
  visit("cross_entropy") \
  visit("ema_update") visit("fill") visit("fill_random") visit("gather_rows") visit("global_avg_pool") \
  visit("global_avg_pool_grad") visit("lars_trust_ratios") visit("lu") visit("lu_inverse") visit("matmul") \
  visit("matrix_polynomial") visit("max_pool2d") visit("max_pool2d_grad") visit("normalize_rows") \
  visit("normalize_rows_grad") visit("power_traces") visit("reduce") visit("sgd_update") visit("softmax") \
  visit("softmax_grad") visit("symmetrize") visit("top_k") visit("top_k_grad") visit("transpose") \
  visit("tsne_forces") \
  visit("unary") visit("unary_grad")
// clang-format on

#define MEC_FOR_EACH_METHOD(visit)                                                                                              \
  visit("mec") visit("simsiam") visit("barlow-twins") visit("simclr") visit("moco-v2") visit("swav") visit("byol")             \
  visit("vicreg")

namespace mec::test {

#define MEC_NAME_OF_CASE(name) name,
inline std::set<std::string> kernels_with_cases() { return {MEC_FOR_EACH_KERNEL(MEC_NAME_OF_CASE)}; }
inline std::set<std::string> methods_with_cases() { return {MEC_FOR_EACH_METHOD(MEC_NAME_OF_CASE)}; }
#undef MEC_NAME_OF_CASE

}  // namespace mec::test
