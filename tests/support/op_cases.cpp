#include "support/op_cases.h"

#include <cmath>

#include "mec/tensor/backend.h"
#include "mec/tensor/devices.h"
#include "mec/tensor/philox.h"

namespace mec::test {
namespace {

std::vector<double> definite_matrix(std::int64_t n, RandomStream& random) {
  std::vector<double> g(static_cast<std::size_t>(n * n)), a(g.size());
  for (double& value : g) value = random.normal();
  for (std::int64_t i = 0; i < n; ++i) {
    for (std::int64_t j = 0; j < n; ++j) {
      double sum = 0;
      for (std::int64_t k = 0; k < n; ++k) sum += g.data()[i * n + k] * g.data()[j * n + k];
      a.data()[i * n + j] = sum / static_cast<double>(n) + (i == j ? 1.0 : 0.0);
    }
  }
  return a;
}

std::vector<double> values_from(const Input& input, RandomStream random) {
  if (input.fill == Fill::given) return input.values;
  const std::int64_t columns = input.shape.rank() ? input.shape.dim(-1) : 1;
  if (input.fill == Fill::definite_matrix) return definite_matrix(columns, random);
  const double root = std::sqrt(static_cast<double>(columns));
  std::vector<double> values(static_cast<std::size_t>(input.shape.numel()));
  for (std::int64_t i = 0; i < input.shape.numel(); ++i) {
    double& value = values.data()[i];
    switch (input.fill) {
      case Fill::positive: value = random.uniform(0.5F, 2.5F); break;
      case Fill::integers: value = input.low + random.below(static_cast<std::uint64_t>(input.high - input.low)); break;
      case Fill::pivoted_matrix: value = random.normal() / root + (i / columns + i % columns == columns - 1 ? 2.0 : 0.0); break;
      case Fill::contraction: value = random.normal() / (2 * root); break;
      default: value = random.normal();
    }
  }
  return values;
}

Dtype dtype_for(Role role, Dtype dtype) {
  switch (role) {
    case Role::activation: return dtype;
    case Role::statistic: return accumulator_of(dtype);
    case Role::i32: return Dtype::i32;
    default: return Dtype::i64;
  }
}

}  // namespace

std::vector<OpCase> op_cases(const OpFamily& family) {
  std::vector<OpCase> table;
  family.add(table);
  return table;
}

std::vector<OpCase> op_cases() {
  std::vector<OpCase> table;
  for (const OpFamily& family : kOpFamilies) family.add(table);
  return table;
}

std::vector<double> values_of(const Input& input, std::uint64_t seed, std::size_t place) {
  return values_from(input, RandomStream(seed, place, 0, Purpose::test));
}

const Device& reference_device() {
  static const Device device = make_reference_device();
  return device;
}

Tensors make_inputs(const OpCase& op, std::uint64_t seed, Dtype dtype, Dtype compute, const Device& device) {
  // Rounded on the reference device, so that a device under test converts nothing by itself.
  const Device& host = reference_device();
  Tensors tensors;
  for (const Input& input : op.inputs) {
    const Tensor exact = Tensor::from(values_of(input, seed, tensors.size()), input.shape, host);
    tensors.push_back(exact.to(dtype_for(input.role, dtype)).to(dtype_for(input.role, compute)).to(device));
  }
  return tensors;
}

Tensor misaligned(const Tensor& x) {
  const Tensor longer(Shape{x.numel() + 1}, x.dtype(), x.device());
  const Tensor view = longer.segment(1, {x.numel()}).reshape(x.shape());
  x.backend().run(kernel::Copy{x, view});
  return view;
}

}  // namespace mec::test
