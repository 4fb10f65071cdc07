#include "mec/tensor/ops.h"
#include "support/op_cases.h"

namespace mec::test {

void add_tsne_cases(std::vector<OpCase>& table) {
  for (const std::int64_t n : {0, 1, 2, 17, 32, 256, 300}) {
    table.push_back({.kernel = "tsne_forces",
                     .name = concat("tsne_forces of ", n, " points"),
                     .dtypes = kReal,
                     .accuracy = Accuracy::accumulated,
                     .inputs = {{.shape = {n, n}, .fill = Fill::positive}, {.shape = {2, n}}},
                     .run = [](const Tensors& in) -> Tensors {
                       const TsneForces forces = tsne_forces(in[0], in[1]);
                       return {forces.attraction, forces.repulsion, forces.weights};
                     }});
  }
}

}  // namespace mec::test
