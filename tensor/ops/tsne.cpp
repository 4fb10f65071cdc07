#include "mec/tensor/ops/tsne.h"

#include "mec/tensor/ops/common.h"

namespace mec {
using namespace ops;

TsneForces tsne_forces(const Tensor& p, const Tensor& y) {
  check_rank("tsne_forces", p, 2, "p", "(N,N)");
  check_rank("tsne_forces", y, 2, "y", "(2,N)");
  check_real("tsne_forces", p, "p");
  check_dtype("tsne_forces", y, p.dtype(), "y");
  check_device("tsne_forces", {&p, &y});
  const std::int64_t n = p.dim(0);
  check<ShapeError>(p.dim(1) == n && y.shape() == Shape{2, n}, "tsne_forces: p is (N,N) and y (2,N), but got ", p.shape(),
                    " and ", y.shape());
  TsneForces out{Tensor(y.shape(), y.dtype(), y.device()), Tensor(y.shape(), y.dtype(), y.device()),
                 Tensor({n}, y.dtype(), y.device())};
  p.backend().run(kernel::TsneForces{p, y, out.attraction, out.repulsion, out.weights});
  return out;
}

}  // namespace mec
