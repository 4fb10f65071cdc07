// cuBLASLt, as much of it as mec calls: products by plain loops, from what the descriptors say.
#include <cublasLt.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

#include "software_gpu/elements.h"
#include "software_gpu/memory.h"
#include "software_gpu/streams.h"

using namespace mec;
using namespace mec::software_gpu;

namespace {

// What the opaque structs hold here.
struct Layout {  // column by column
  cudaDataType type;
  std::int64_t rows, columns, leading;
};
struct MatmulOperation {
  cublasComputeType_t compute;
  cudaDataType scale;
  cublasOperation_t a = CUBLAS_OP_N, b = CUBLAS_OP_N;
};
struct Preference {
  std::uint64_t workspace = 0;
  std::array<std::uint32_t, 4> alignment{256, 256, 256, 256};  // of A, B, C, D
};

const Layout& of(cublasLtMatrixLayout_t layout) { return *reinterpret_cast<const Layout*>(layout); }
MatmulOperation& of(cublasLtMatmulDesc_t operation) { return *reinterpret_cast<MatmulOperation*>(operation); }
Preference& of(cublasLtMatmulPreference_t preference) { return *reinterpret_cast<Preference*>(preference); }

// What an algorithm is good for, kept in its bytes. Each takes a little workspace, to have it used.
struct Algorithm {
  static constexpr std::uint32_t kMagic = 0x6d656321;
  static constexpr std::uint64_t kWorkspace = 1024;
  std::uint32_t magic = kMagic;
  std::array<std::uint16_t, 4> alignment{};
  std::array<std::uint32_t, 3> sizes{};  // m, n, k
};
static_assert(sizeof(Algorithm) <= sizeof(cublasLtMatmulAlgo_t));

struct Product {
  MatmulOperation operation;
  Layout a, b, d;
  std::int64_t m() const { return d.rows; }
  std::int64_t n() const { return d.columns; }
  std::int64_t k() const { return operation.a == CUBLAS_OP_N ? a.columns : a.rows; }
};

bool is_element(cudaDataType type) { return type == CUDA_R_32F || type == CUDA_R_16BF || type == CUDA_R_64F; }
Dtype dtype_of(cudaDataType type) { return type == CUDA_R_64F ? Dtype::f64 : type == CUDA_R_16BF ? Dtype::bf16 : Dtype::f32; }

// The rules of cublasLtMatmul for what is stood in for.
cublasStatus_t check_product(const Product& p, const Layout& c) {
  const MatmulOperation& o = p.operation;
  for (const Layout* layout : {&p.a, &p.b, &c, &p.d}) {
    if (!is_element(layout->type) || layout->leading < layout->rows) return CUBLAS_STATUS_INVALID_VALUE;
  }
  const bool b_plain = o.b == CUBLAS_OP_N;
  if ((o.a == CUBLAS_OP_N ? p.a.rows : p.a.columns) != p.m()) return CUBLAS_STATUS_INVALID_VALUE;
  if ((b_plain ? p.b.columns : p.b.rows) != p.n() || (b_plain ? p.b.rows : p.b.columns) != p.k()) {
    return CUBLAS_STATUS_INVALID_VALUE;
  }
  if (c.rows != p.d.rows || c.columns != p.d.columns || c.type != p.d.type) return CUBLAS_STATUS_INVALID_VALUE;
  const bool wide = p.a.type == CUDA_R_64F;
  const bool compute_fits =
      wide ? o.compute == CUBLAS_COMPUTE_64F
           : o.compute == CUBLAS_COMPUTE_32F || (o.compute == CUBLAS_COMPUTE_32F_FAST_TF32 && p.a.type == CUDA_R_32F);
  const bool types_fit = p.a.type == p.b.type && (p.d.type == p.a.type || (p.a.type == CUDA_R_16BF && p.d.type == CUDA_R_32F));
  return compute_fits && types_fit && o.scale == (wide ? CUDA_R_64F : CUDA_R_32F) ? CUBLAS_STATUS_SUCCESS
                                                                                  : CUBLAS_STATUS_NOT_SUPPORTED;
}

// What the library may have nothing for: its kernels for bf16 load pairs of elements, and multiply
// by sums of several. It says so in one of two ways.
bool has_no_kernel(const Product& p) {
  const auto is_odd = [](const Layout& layout) { return layout.columns > 1 && layout.leading % 2 != 0; };
  return p.a.type == CUDA_R_16BF && (is_odd(p.a) || is_odd(p.b));
}
bool has_no_algorithm(const Product& p) { return p.a.type == CUDA_R_16BF && p.k() == 1; }

// op(matrix), row by row.
template <class A> std::vector<A> read(const Layout& layout, const void* memory, cublasOperation_t op, bool rounded) {
  const std::int64_t rows = op == CUBLAS_OP_N ? layout.rows : layout.columns,
                     columns = op == CUBLAS_OP_N ? layout.columns : layout.rows;
  std::vector<A> values;
  values.reserve(static_cast<std::size_t>(rows * columns));
  for (std::int64_t i = 0; i < rows; ++i) {
    for (std::int64_t j = 0; j < columns; ++j) {
      const std::int64_t at = op == CUBLAS_OP_N ? i + j * layout.leading : j + i * layout.leading;
      const A value = static_cast<A>(element(memory, dtype_of(layout.type), at));
      values.push_back(rounded ? static_cast<A>(tf32(static_cast<float>(value))) : value);
    }
  }
  return values;
}

template <class A>
void multiply(const Product& p, const void* a, const void* b, const void* c, void* d, double alpha, double beta) {
  const bool rounded = p.operation.compute == CUBLAS_COMPUTE_32F_FAST_TF32;
  const std::vector<A> left = read<A>(p.a, a, p.operation.a, rounded), right = read<A>(p.b, b, p.operation.b, rounded);
  const std::int64_t m = p.m(), n = p.n(), k = p.k();
  std::vector<A> sums(static_cast<std::size_t>(m * n), A(0));
  for (std::int64_t i = 0; i < m; ++i) {
    A* const row = sums.data() + i * n;
    for (std::int64_t l = 0; l < k; ++l) {
      const A factor = left[static_cast<std::size_t>(i * k + l)];
      const A* const other = right.data() + l * n;
      for (std::int64_t j = 0; j < n; ++j) row[j] += factor * other[j];
    }
  }
  const Dtype type = dtype_of(p.d.type);
  for (std::int64_t j = 0; j < n; ++j) {
    for (std::int64_t i = 0; i < m; ++i) {
      const std::int64_t at = i + j * p.d.leading;
      double value = alpha * static_cast<double>(sums[static_cast<std::size_t>(i * n + j)]);
      if (beta != 0) value += beta * element(c, type, at);  // else C is not read
      set_element(d, type, at, value);
    }
  }
}

double scalar(const MatmulOperation& operation, const void* value) { return element(value, dtype_of(operation.scale), 0); }

bool is_aligned(const void* pointer, std::uint32_t alignment) {
  return reinterpret_cast<std::uintptr_t>(pointer) % alignment == 0;
}

}  // namespace

extern "C" {

cublasStatus_t cublasLtCreate(cublasLtHandle_t* handle) {
  *handle = reinterpret_cast<cublasLtHandle_t>(new int(0));
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtDestroy(cublasLtHandle_t handle) {
  delete reinterpret_cast<int*>(handle);
  return CUBLAS_STATUS_SUCCESS;
}
const char* cublasLtGetStatusString(cublasStatus_t status) {
  return status == CUBLAS_STATUS_INVALID_VALUE ? "CUBLAS_STATUS_INVALID_VALUE" : "CUBLAS_STATUS_NOT_SUPPORTED";
}

cublasStatus_t cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t* layout, cudaDataType type, uint64_t rows, uint64_t columns,
                                          int64_t leading) {
  const Layout made{type, static_cast<std::int64_t>(rows), static_cast<std::int64_t>(columns), leading};
  *layout = reinterpret_cast<cublasLtMatrixLayout_t>(new Layout(made));
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t layout) {
  delete reinterpret_cast<Layout*>(layout);
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulDescCreate(cublasLtMatmulDesc_t* operation, cublasComputeType_t compute, cudaDataType_t scale) {
  *operation = reinterpret_cast<cublasLtMatmulDesc_t>(new MatmulOperation{.compute = compute, .scale = scale});
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t operation) {
  delete &of(operation);
  return CUBLAS_STATUS_SUCCESS;
}
// Attributes that nothing here sets are not stood in for.
cublasStatus_t cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t operation, cublasLtMatmulDescAttributes_t which,
                                              const void* value, size_t bytes) {
  if (bytes != sizeof(cublasOperation_t)) return CUBLAS_STATUS_INVALID_VALUE;
  cublasOperation_t op{};
  std::memcpy(&op, value, bytes);
  if (op != CUBLAS_OP_N && op != CUBLAS_OP_T) return CUBLAS_STATUS_NOT_SUPPORTED;
  if (which == CUBLASLT_MATMUL_DESC_TRANSA) of(operation).a = op;
  else if (which == CUBLASLT_MATMUL_DESC_TRANSB) of(operation).b = op;
  else return CUBLAS_STATUS_NOT_SUPPORTED;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t* preference) {
  *preference = reinterpret_cast<cublasLtMatmulPreference_t>(new Preference);
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t preference) {
  delete &of(preference);
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t preference,
                                                    cublasLtMatmulPreferenceAttributes_t which, const void* value,
                                                    size_t bytes) {
  Preference& p = of(preference);
  const auto set = [&](void* to, std::size_t size) {
    if (bytes != size) return CUBLAS_STATUS_INVALID_VALUE;
    std::memcpy(to, value, size);
    return CUBLAS_STATUS_SUCCESS;
  };
  std::uint32_t mask = 0;
  switch (which) {
    case CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES: return set(&p.workspace, sizeof p.workspace);
    case CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK: return set(&mask, sizeof mask);  // sums are not split
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES: return set(&p.alignment[0], sizeof(std::uint32_t));
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES: return set(&p.alignment[1], sizeof(std::uint32_t));
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES: return set(&p.alignment[2], sizeof(std::uint32_t));
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES: return set(&p.alignment[3], sizeof(std::uint32_t));
    default: return CUBLAS_STATUS_NOT_SUPPORTED;
  }
}

cublasStatus_t cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t, cublasLtMatmulDesc_t operation, cublasLtMatrixLayout_t a,
                                              cublasLtMatrixLayout_t b, cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d,
                                              cublasLtMatmulPreference_t preference, int most,
                                              cublasLtMatmulHeuristicResult_t results[], int* count) {
  *count = 0;
  const Product product{of(operation), of(a), of(b), of(d)};
  if (const cublasStatus_t status = check_product(product, of(c))) return status;
  if (has_no_kernel(product)) return CUBLAS_STATUS_NOT_SUPPORTED;
  if (has_no_algorithm(product)) return CUBLAS_STATUS_SUCCESS;
  if (most < 1 || of(preference).workspace < Algorithm::kWorkspace) return CUBLAS_STATUS_NOT_SUPPORTED;
  Algorithm algorithm{.sizes = {static_cast<std::uint32_t>(product.m()), static_cast<std::uint32_t>(product.n()),
                                static_cast<std::uint32_t>(product.k())}};
  std::ranges::copy(of(preference).alignment, algorithm.alignment.begin());
  results[0] = {};
  std::memcpy(&results[0].algo, &algorithm, sizeof algorithm);
  results[0].workspaceSize = Algorithm::kWorkspace;
  results[0].state = CUBLAS_STATUS_SUCCESS;
  *count = 1;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmul(cublasLtHandle_t, cublasLtMatmulDesc_t operation, const void* alpha, const void* a,
                              cublasLtMatrixLayout_t a_layout, const void* b, cublasLtMatrixLayout_t b_layout, const void* beta,
                              const void* c, cublasLtMatrixLayout_t c_layout, void* d, cublasLtMatrixLayout_t d_layout,
                              const cublasLtMatmulAlgo_t* algo, void* workspace, size_t workspace_bytes, cudaStream_t stream) {
  const Product p{of(operation), of(a_layout), of(b_layout), of(d_layout)};
  if (const cublasStatus_t status = check_product(p, of(c_layout))) return status;
  const Algorithm& algorithm = *reinterpret_cast<const Algorithm*>(algo);
  const bool fits = algorithm.magic == Algorithm::kMagic && algorithm.sizes[0] == p.m() && algorithm.sizes[1] == p.n() &&
                    algorithm.sizes[2] == p.k() && workspace_bytes >= Algorithm::kWorkspace &&
                    is_aligned(a, algorithm.alignment[0]) && is_aligned(b, algorithm.alignment[1]) &&
                    is_aligned(c, algorithm.alignment[2]) && is_aligned(d, algorithm.alignment[3]);
  if (!fits || !is_device_memory(workspace, Algorithm::kWorkspace)) return CUBLAS_STATUS_INVALID_VALUE;
  const double factor = scalar(p.operation, alpha), kept = scalar(p.operation, beta);
  const auto word = [](const void* pointer) { return reinterpret_cast<std::uintptr_t>(pointer); };
  const auto run = [=] {
    std::memset(workspace, 0xff, Algorithm::kWorkspace);
    if (p.a.type == CUDA_R_64F) multiply<double>(p, a, b, c, d, factor, kept);
    else multiply<float>(p, a, b, c, d, factor, kept);
  };
  const cudaError_t status =
      enqueue(stream, {.name = "matmul", .words = {word(a), word(b), word(c), word(d), word(workspace)}, .run = run});
  return status == cudaSuccess ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_EXECUTION_FAILED;
}

}  // extern "C"
