#include <doctest/doctest.h>

#include "mec/tensor/devices.h"
#include "support/guarded_device.h"
#include "support/op_cases.h"

namespace mec::test {

void check_case(const OpCase& op, Dtype dtype, std::uint64_t seed, const Device& device) {
  CAPTURE(op.name);
  CAPTURE(device->name());
  const std::string type = name_of(dtype);
  CAPTURE(type);
  CAPTURE(seed);
  const auto guarded = std::make_shared<GuardedDevice>(device);
  const auto actual = op.run(make_inputs(op, seed, dtype, dtype, guarded));
  const auto expected = op.run(make_inputs(op, seed, dtype, Dtype::f64, make_reference_device()));
  REQUIRE(actual.size() == expected.size());
  for (std::size_t i = 0; i < actual.size(); ++i) {
    CAPTURE(i);
    const auto comparison = compare(actual[i], expected[i], tolerance_of(op.accuracy, actual[i].dtype()));
    CHECK_MESSAGE(comparison.ok, comparison.message);
  }
}

void check_device(const Device& device) {
  for (const OpCase& op : op_cases()) {
    for (const std::uint64_t seed : {1, 2}) {
      for (const Dtype dtype : op.dtypes) check_case(op, dtype, seed, device);
      if (device->supports(Dtype::f64)) check_case(op, Dtype::f64, seed, device);
    }
  }
}

}  // namespace mec::test
