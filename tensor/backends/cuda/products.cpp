#include "mec/tensor/backends/cuda/products.h"

#include <cublasLt.h>

#include <array>
#include <optional>
#include <unordered_map>

#include "mec/tensor/backends/cuda/column_major.h"
#include "mec/tensor/backends/cuda/runtime/library.h"
#include "mec/tensor/backends/cuda/runtime/runtime.h"

namespace mec::cuda {

MEC_FUNCTION_OF(cublaslt, cublasLtCreate);
MEC_FUNCTION_OF(cublaslt, cublasLtDestroy);
MEC_FUNCTION_OF(cublaslt, cublasLtGetStatusString);
MEC_FUNCTION_OF(cublaslt, cublasLtMatmul);
MEC_FUNCTION_OF(cublaslt, cublasLtMatmulAlgoGetHeuristic);
MEC_FUNCTION_OF(cublaslt, cublasLtMatmulDescCreate);
MEC_FUNCTION_OF(cublaslt, cublasLtMatmulDescDestroy);
MEC_FUNCTION_OF(cublaslt, cublasLtMatmulDescSetAttribute);
MEC_FUNCTION_OF(cublaslt, cublasLtMatmulPreferenceCreate);
MEC_FUNCTION_OF(cublaslt, cublasLtMatmulPreferenceDestroy);
MEC_FUNCTION_OF(cublaslt, cublasLtMatmulPreferenceSetAttribute);
MEC_FUNCTION_OF(cublaslt, cublasLtMatrixLayoutCreate);
MEC_FUNCTION_OF(cublaslt, cublasLtMatrixLayoutDestroy);

namespace {

void check_cublas(cublasStatus_t status, const char* expression, const char* file, int line) {
  if (status != CUBLAS_STATUS_SUCCESS) fail("cuBLASLt", expression, cublasLtGetStatusString(status), file, line);
}
#define MEC_CHECK_CUBLAS(expression) check_cublas((expression), #expression, __FILE__, __LINE__)

using LtHandle = Handle<cublasLtHandle_t, [](cublasLtHandle_t handle) { return cublasLtDestroy(handle); }>;
using Operation =
    Handle<cublasLtMatmulDesc_t, [](cublasLtMatmulDesc_t operation) { return cublasLtMatmulDescDestroy(operation); }>;
using Layout =
    Handle<cublasLtMatrixLayout_t, [](cublasLtMatrixLayout_t layout) { return cublasLtMatrixLayoutDestroy(layout); }>;
using Preference = Handle<cublasLtMatmulPreference_t,
                          [](cublasLtMatmulPreference_t preference) { return cublasLtMatmulPreferenceDestroy(preference); }>;

// The largest power of two, up to 256, that divides an address.
std::uint32_t alignment_of(const void* pointer) {
  std::uint32_t alignment = 256;
  while (reinterpret_cast<std::uintptr_t>(pointer) % alignment != 0) alignment /= 2;
  return alignment;
}

// What an algorithm is chosen for. Alignment counts: operands may start anywhere, and the fast
// kernels want 16 bytes.
struct ProductKey {
  ColumnProduct product;
  std::array<std::uint32_t, 3> alignment{};  // of first, second, result
  bool operator==(const ProductKey&) const = default;
};

struct ProductKeyHash {
  std::size_t operator()(const ProductKey& key) const {
    const ColumnProduct& p = key.product;
    std::size_t hash = 0;
    const auto add = [&hash](auto field) {
      hash = (hash ^ static_cast<std::size_t>(field)) * 0x9e3779b97f4a7c15ULL ^ hash >> 32;
    };
    for (const std::int64_t size : {p.m, p.n, p.k}) add(size);
    for (const bool flag : {p.trans_first, p.trans_second, p.accumulate}) add(flag);
    for (const Dtype dtype : {p.operands, p.output}) add(dtype);
    for (const std::uint32_t alignment : key.alignment) add(alignment);
    return hash;
  }
};

cudaDataType_t data_type(Dtype dtype) {
  switch (dtype) {
    case Dtype::f32: return CUDA_R_32F;
    case Dtype::bf16: return CUDA_R_16BF;
    case Dtype::f64: return CUDA_R_64F;
    default: throw DtypeError(concat("matmul: cuBLASLt is not asked for products of ", dtype));
  }
}

Layout make_layout(const ColumnMatrix& matrix, Dtype dtype) {
  cublasLtMatrixLayout_t layout = nullptr;
  MEC_CHECK_CUBLAS(cublasLtMatrixLayoutCreate(&layout, data_type(dtype), static_cast<std::uint64_t>(matrix.rows),
                                              static_cast<std::uint64_t>(matrix.columns), matrix.leading));
  return Layout(layout);
}

Operation make_operation(const ColumnProduct& product, bool tf32) {
  const bool f64 = product.operands == Dtype::f64;
  const cublasComputeType_t compute = f64                                      ? CUBLAS_COMPUTE_64F
                                      : tf32 && product.operands == Dtype::f32 ? CUBLAS_COMPUTE_32F_FAST_TF32
                                                                               : CUBLAS_COMPUTE_32F;
  cublasLtMatmulDesc_t raw = nullptr;
  MEC_CHECK_CUBLAS(cublasLtMatmulDescCreate(&raw, compute, f64 ? CUDA_R_64F : CUDA_R_32F));
  Operation operation(raw);
  const auto transpose = [&](cublasLtMatmulDescAttributes_t which, bool transposed) {
    const cublasOperation_t value = transposed ? CUBLAS_OP_T : CUBLAS_OP_N;
    MEC_CHECK_CUBLAS(cublasLtMatmulDescSetAttribute(raw, which, &value, sizeof value));
  };
  transpose(CUBLASLT_MATMUL_DESC_TRANSA, product.trans_first);
  transpose(CUBLASLT_MATMUL_DESC_TRANSB, product.trans_second);
  return operation;
}

Preference make_preference(const ProductKey& key) {
  cublasLtMatmulPreference_t raw = nullptr;
  MEC_CHECK_CUBLAS(cublasLtMatmulPreferenceCreate(&raw));
  Preference preference(raw);
  const auto set = [&](cublasLtMatmulPreferenceAttributes_t which, auto value) {
    MEC_CHECK_CUBLAS(cublasLtMatmulPreferenceSetAttribute(raw, which, &value, sizeof value));
  };
  set(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, std::uint64_t{Products::kWorkspace});
  // Where the sum over k is split, its parts are added in f32 out of the workspace, in a fixed
  // order, and rounded once.
  set(CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, static_cast<std::uint32_t>(CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE));
  set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, key.alignment[0]);
  set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, key.alignment[1]);
  set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, key.alignment[2]);
  set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, key.alignment[2]);
  return preference;
}

struct Plan {
  Operation operation;
  Layout first, second, result;
  std::optional<cublasLtMatmulAlgo_t> algorithm = {};  // none: the library has none
};

Plan make_plan(cublasLtHandle_t library, const ProductKey& key, bool tf32) {
  const ColumnProduct& p = key.product;
  Plan plan{make_operation(p, tf32), make_layout(p.first, p.operands), make_layout(p.second, p.operands),
            make_layout(p.result, p.output)};
  const Preference preference = make_preference(key);
  cublasLtMatmulHeuristicResult_t found{};
  int count = 0;
  const cublasStatus_t status =
      cublasLtMatmulAlgoGetHeuristic(library, plan.operation.get(), plan.first.get(), plan.second.get(), plan.result.get(),
                                     plan.result.get(), preference.get(), 1, &found, &count);
  if (status != CUBLAS_STATUS_NOT_SUPPORTED) check_cublas(status, "cublasLtMatmulAlgoGetHeuristic", __FILE__, __LINE__);
  if (status == CUBLAS_STATUS_SUCCESS && count == 1) plan.algorithm = found.algo;
  return plan;
}

}  // namespace

struct Products::Impl {
  LtHandle library;
  bool tf32 = false;
  std::unordered_map<ProductKey, Plan, ProductKeyHash> plans;
};

Products::Products(bool tf32) : impl_(std::make_unique<Impl>()) {
  cublasLtHandle_t library = nullptr;
  MEC_CHECK_CUBLAS(cublasLtCreate(&library));
  impl_->library.reset(library);
  impl_->tf32 = tf32;
}

Products::~Products() = default;

bool Products::matmul(In a, In b, Out c, const MatmulArgs& args, const Workspace& workspace, void* stream) {
  const ProductKey key{column_product(a, b, c, args), {alignment_of(b.data), alignment_of(a.data), alignment_of(c.data)}};
  auto place = impl_->plans.find(key);
  if (place == impl_->plans.end()) {
    place = impl_->plans.emplace(key, make_plan(impl_->library.get(), key, impl_->tf32)).first;
  }
  const Plan& plan = place->second;
  if (!plan.algorithm) return false;
  // The scale type is f32, or f64 for f64.
  const float one = 1, accumulate = args.accumulate ? 1 : 0;
  const double one_f64 = one, accumulate_f64 = accumulate;
  const bool f64 = a.dtype == Dtype::f64;
  MEC_CHECK_CUBLAS(cublasLtMatmul(
      impl_->library.get(), plan.operation.get(), f64 ? static_cast<const void*>(&one_f64) : &one, b.data, plan.first.get(),
      a.data, plan.second.get(), f64 ? static_cast<const void*>(&accumulate_f64) : &accumulate, c.data, plan.result.get(),
      c.data, plan.result.get(), &*plan.algorithm, workspace.memory, workspace.bytes, static_cast<cudaStream_t>(stream)));
  return true;
}

}  // namespace mec::cuda
