#include "mec/nn/prototypes.h"

#include "mec/autograd/ops.h"
#include "mec/nn/initialize.h"

namespace mec {

Prototypes::Prototypes(const PrototypesOptions& options, const Placement& where) {
  check<ValueError>(options.in > 0 && options.count > 0, "Prototypes: sizes are at least 1, but in is ", options.in,
                    " and count ", options.count);
  weight = make_parameter({options.count, options.in}, where, ParameterKind::weight, fan_in_uniform(options.in));
}

Variable Prototypes::forward(const Variable& x, const Pass&) const {
  const Variable rows = normalize_rows(to(x, weight.value.data().dtype()));
  return linear(rows, normalize_rows(weight.value), {});
}

void Prototypes::visit(const std::string& prefix, Visitor& visitor) { visitor.parameter(prefix + "weight", weight); }

}  // namespace mec
