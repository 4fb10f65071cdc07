// An operation of your own, outside the library and through its public headers only.
//
// swish(x) = x·sigmoid(x) (Ramachandran et al. 2017), with its backward rule next to it. The rule
// is checked against central differences, to 1e-6; a second rule, with a mistake, fails the check.
#include <cstdio>

#include "mec/all.h"

using namespace mec;

namespace {

// record() is the only way into the graph. It takes a name for errors, the value, the inputs, and
// the rule from dy to the inputs' gradients. The rule's capture list saves what it needs later.
Variable swish(const Variable& x) {
  const Tensor gate = sigmoid(x.data());
  const Tensor y = x.data() * gate;
  return record("swish", y, {x}, [gate, y](const Tensor& dy, const Needs&) -> Grads {
    return {dy * (y + gate * (1 - y))};  // dy/dx = gate + y(1 − gate)
  });
}

Variable swish_with_a_mistake(const Variable& x) {
  const Tensor gate = sigmoid(x.data());
  return record("swish_with_a_mistake", x.data() * gate, {x},
                [gate](const Tensor& dy, const Needs&) -> Grads { return {dy * gate}; });
}

}  // namespace

int main() {
  const Tensor x = random({4, 6}, Dtype::f64, make_reference_device(), {.seed = 1});
  const auto check_rule = [&](const char* name, Variable (*operation)(const Variable&)) {
    const GradcheckResult result = gradcheck([&](const std::vector<Variable>& v) { return operation(v[0]); }, {x});
    std::printf("%-22s worst difference %.1e  %s\n", name, result.worst, result.ok ? "right" : "wrong");
    return result.ok;
  };
  const bool right = check_rule("swish", swish);
  const bool caught = !check_rule("swish_with_a_mistake", swish_with_a_mistake);
  return right && caught ? 0 : 1;
}
