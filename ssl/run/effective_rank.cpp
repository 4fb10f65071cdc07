#include "mec/ssl/run/effective_rank.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <utility>

#include "mec/tensor/backend.h"
#include "mec/tensor/devices.h"
#include "mec/tensor/ops.h"
#include "mec/tensor/symmetric_eigen.h"

namespace mec {

namespace {

double rank_of(const std::vector<double>& eigenvalues) {
  double sum = 0, entropy = 0;
  for (const double value : eigenvalues) sum += std::sqrt(std::max(value, 0.0));  // below 0 by rounding
  if (!(sum > 0)) return sum;                                                     // 0, or NaN
  for (const double value : eigenvalues) {
    const double p = std::sqrt(std::max(value, 0.0)) / sum;
    if (p > 0) entropy -= p * std::log(p);
  }
  return std::exp(entropy);
}

}  // namespace

Device rank_host() { return make_cpu_device({.threads = 1, .kernels = CpuKernels::own}); }

std::function<double()> effective_rank_later(const Tensor& z, const Device& host) {
  check<ShapeError>(z && z.rank() == 2 && z.numel() > 0, "effective_rank: the embeddings are a matrix (m,d), but are ",
                    z ? concat(z.shape()) : "undefined");
  const Tensor rows = z.rows(0, std::min(z.dim(0), kRankRows));
  return [shape = rows.shape(), dtype = rows.dtype(), host, copy = std::shared_ptr<HostCopy>(rows.backend().read_later(rows))] {
    Tensor narrow(shape, dtype, host);
    copy->wait(Out(narrow).data);
    const Tensor wide = narrow.to(Dtype::f64);
    const bool by_row = shape[0] <= shape[1];
    const Tensor gram = matmul(wide, wide, {.trans_a = !by_row, .trans_b = by_row});
    return rank_of(symmetric_eigenvalues(gram.to_vector<double>(), gram.dim(0)));
  };
}

}  // namespace mec
