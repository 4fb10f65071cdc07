#include <doctest/doctest.h>

#include <algorithm>

#include "support/guarded_device.h"
#include "support/op_cases.h"

namespace mec::test {
namespace {

// Larger ones are in the table for how loops are divided, which no value changes.
constexpr std::int64_t kMostPlanted = 6000;

bool is_small(const OpCase& op) {
  return std::ranges::all_of(op.inputs, [](const Input& input) { return input.shape.numel() <= kMostPlanted; });
}

// Where a case only moves numbers, or rounds them once, IEEE arithmetic decides the sign of a zero
// as well.
Classes classes_of(const OpCase& op) {
  if (op.special != Special::given) return Classes::finite;
  if (op.kernel.starts_with("conv2d")) return Classes::with_spreading_nan;  // as Backend has it
  return op.accuracy == Accuracy::exact || op.accuracy == Accuracy::rounded ? Classes::with_nan_and_signed_zeros
                                                                            : Classes::with_nan;
}

// cuDNN has no engine that writes the gradient of a weight wider than bf16 operands: it is rounded
// before it is widened.
Tolerance tolerance_for(const OpCase& op, const Tensor& result, bool narrowed) {
  return narrowed ? tolerance_of(Accuracy::added, Dtype::bf16) : tolerance_of(op.accuracy, result.dtype());
}

// Where NaN is right, what was not written must not be NaN. One device each serves many cases: to
// fill memory takes longer than most of them.
class GuardedDevices {
 public:
  explicit GuardedDevices(const Device& device)
      : finite_(std::make_shared<GuardedDevice>(device, kFillNan)),
        special_(std::make_shared<GuardedDevice>(device, kFillLarge)) {}

  void check(const OpCase& op, Dtype dtype, std::uint64_t seed) const {
    const auto& device = op.special == Special::given ? special_ : finite_;
    CAPTURE(op.name);
    CAPTURE(device->name());
    const std::string type = name_of(dtype);
    CAPTURE(type);
    CAPTURE(seed);
    const bool narrowed = device->name() == "cuda" && dtype == Dtype::bf16 && op.kernel == "conv2d_grad_weight";
    check_results(op, op.run(make_inputs(op, seed, dtype, dtype, device)),
                  op.run(make_inputs(op, seed, dtype, Dtype::f64, reference_device())), narrowed);
    device->renew();
  }

 private:
  std::shared_ptr<GuardedDevice> finite_, special_;
};

void check_cases(const std::vector<OpCase>& cases, const Device& device, std::uint64_t seed) {
  GuardedDevices guarded(device);
  for (const OpCase& op : cases) {
    std::vector<Dtype> dtypes = op.dtypes;
    if (device->supports(Dtype::f64)) dtypes.push_back(Dtype::f64);
    for (const Dtype dtype : dtypes) {
      guarded.check(op, dtype, seed);
      if (op.special != Special::planted || !is_small(op)) continue;
      for (const Plant plant : kPlants) guarded.check(planted(op, plant, seed), dtype, seed);
    }
  }
}

}  // namespace

void check_results(const OpCase& op, const Tensors& actual, const Tensors& expected, bool narrowed) {
  REQUIRE(actual.size() == expected.size());
  for (std::size_t i = 0; i < actual.size(); ++i) {
    CAPTURE(i);
    const auto comparison = compare(actual[i], expected[i], tolerance_for(op, actual[i], narrowed), classes_of(op));
    CHECK_MESSAGE(comparison.ok, comparison.message);
  }
}

void check_case(const OpCase& op, Dtype dtype, std::uint64_t seed, const Device& device) {
  GuardedDevices(device).check(op, dtype, seed);
}

void check_family(const OpFamily& family, const Device& device, std::uint64_t seed) {
  check_cases(op_cases(family), device, seed);
}

void check_kernel(const std::string& kernel, const Device& device, std::uint64_t seed) {
  std::vector<OpCase> cases = op_cases();
  std::erase_if(cases, [&](const OpCase& op) { return op.kernel != kernel; });
  REQUIRE(!cases.empty());
  check_cases(cases, device, seed);
}

}  // namespace mec::test
