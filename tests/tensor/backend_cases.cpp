// Every kernel of every device against the reference in f64, over the one table of cases.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <set>

#include "gpu/cases_by_name.h"
#include "mec/tensor/devices.h"
#include "mec/tensor/ops.h"
#include "support/guarded_device.h"
#include "support/op_cases.h"

using namespace mec;
using namespace mec::test;

namespace {

class CountingDevice final : public ForwardingBackend {
 public:
  using ForwardingBackend::ForwardingBackend;
  std::set<std::string> called;

 protected:
  void on_call(KernelCall call) override {
    called.insert(call.name);
    call.run();
  }
};

template <class... Ks> void insert_names(std::set<std::string>& names, const Family<Ks...>*) { (names.insert(Ks::name), ...); }
template <class... Fs> std::set<std::string> names_of(const Families<Fs...>*) {
  std::set<std::string> names;
  (insert_names(names, static_cast<const Fs*>(nullptr)), ...);
  return names;
}

// Writes one element too many. What the guard itself moves is left alone: it is bytes.
class OverrunningDevice final : public ForwardingBackend {
 public:
  using ForwardingBackend::ForwardingBackend;

 protected:
  void on_call(KernelCall call) override {
    call.run();
    if (call.outputs.empty() || call.outputs[0].dtype != Dtype::f32) return;
    call.outputs[0].as<float>()[call.outputs[0].numel()] = 7;
  }
};

}  // namespace

TEST_CASE("reference: f32 and bf16 agree with f64 on every case") {
  for (const OpFamily& family : kOpFamilies) check_family(family, make_reference_device(), 1);
}

TEST_CASE("cpu: every kernel agrees with the reference on every case") {
  for (const std::uint64_t seed : {1, 2}) {
    for (const OpFamily& family : kOpFamilies) check_family(family, make_cpu_device(), seed);
  }
}

TEST_CASE("cpu: every kernel agrees with the reference on one thread and on three") {
  for (const int threads : {1, 3}) {
    const Device device = make_cpu_device({.threads = threads});
    for (const OpCase& op : op_cases()) check_case(op, op.dtypes.back(), 3, device);
  }
}

TEST_CASE("the table has a case for every kernel of a device, and each case calls the kernel that it names") {
  std::set<std::string> called;
  for (const OpCase& op : op_cases()) {
    const auto device = std::make_shared<CountingDevice>(make_reference_device());
    for (const Tensor& y : op.run(make_inputs(op, 1, Dtype::f32, Dtype::f32, device))) {
      std::vector<std::byte> host(y.bytes());
      y.download(host.data());
    }
    CHECK_MESSAGE(device->called.contains(op.kernel), op.name, " does not call ", op.kernel);
    called.merge(device->called);
  }
  std::set<std::string> kernels = names_of(static_cast<const Kernels*>(nullptr));
  CHECK(kernels.size() >= 40);
  kernels.insert({"upload", "download"});
  for (const std::string& kernel : kernels) {
    CHECK_MESSAGE(called.contains(kernel), "no case in tests/support/cases_*.cpp calls ", kernel);
  }
}

TEST_CASE("each kernel of the table has a test case of its own on a GPU") {
  std::set<std::string> known;
  for (const OpCase& op : op_cases()) known.insert(op.kernel);
  CHECK(kernels_with_cases() == known);
}

TEST_CASE("the table has a case of no rows for every kernel, or its operation refuses them") {
  const Device device = make_reference_device();
  const Tensor none = Tensor::zeros({0, 3}, Dtype::f32, device), square = Tensor::zeros({0, 0}, Dtype::f32, device);
  const Tensor channels = Tensor::zeros({3}, Dtype::f32, device);
  const Tensor no_image = Tensor::zeros({0, 4, 4, 2}, Dtype::f32, device),
               weight = Tensor::zeros({3, 1, 1, 2}, Dtype::f32, device);
  const BatchNormStatistics s{channels, channels};
  const std::map<std::string, std::function<void()>> refused = {
      {"batch_norm_statistics", [&] { batch_norm_statistics(none); }},
      {"batch_norm_apply", [&] { batch_norm_apply(none, s, {}, {}, {}, {}); }},
      {"conv2d_batch_norm", [&] { conv2d_batch_norm(no_image, weight, s, {}, {}, {}, {}, {}); }},
      {"batch_norm_grad_reduce", [&] { batch_norm_grad_reduce(none, none, {}, s, {}, {}, {}); }},
      {"batch_norm_grad_apply",
       [&] {
         batch_norm_grad_apply(none, none, {}, s, {}, {}, {channels, channels}, 1, false, {});
       }},
      {"lu", [&] { lu(square); }},
      {"lu_inverse", [&] { lu_inverse({.lu = square, .pivots = channels, .log_det = channels}); }},
      {"cholesky", [&] { cholesky(square); }},
      {"power_traces", [&] { power_traces({square}, 1); }},
      {"matrix_polynomial",
       [&] {
         matrix_polynomial({square}, {1, 1});
       }},
      {"symmetrize", [&] { symmetrize(square); }},
      {"coding_loss", [&] { coding_loss(Tensor::zeros({0}, Dtype::f32, device), channels, {}); }}};
  std::set<std::string> empty, all;
  for (const OpCase& op : op_cases()) {
    all.insert(op.kernel);
    const bool none_there = std::ranges::any_of(op.inputs, [](const Input& input) { return input.shape.numel() == 0; });
    if (none_there) empty.insert(op.kernel);
  }
  for (const std::string& kernel : all) {
    CAPTURE(kernel);
    if (refused.contains(kernel)) CHECK_THROWS_AS(refused.at(kernel)(), ShapeError);
    else CHECK(empty.contains(kernel));
  }
}

TEST_CASE("a case that is kept from NaN and infinities says why, and few are") {
  std::size_t left_out = 0;
  const auto table = op_cases();
  for (const OpCase& op : table) {
    if (op.special != Special::left_out) continue;
    ++left_out;
    CHECK_MESSAGE(*op.why != 0, op.name);
  }
  CHECK(left_out * 50 < table.size());
}

TEST_CASE("a kernel that writes past its output is found by the guarded device") {
  const Device device = std::make_shared<GuardedDevice>(std::make_shared<OverrunningDevice>(make_reference_device()));
  CHECK_THROWS_WITH_AS(Tensor::zeros({5}, Dtype::f32, device), doctest::Contains("fill wrote outside its outputs"), Error);
}

TEST_CASE("singular and indefinite matrices are reported in the result, not thrown") {
  for (const Device& device : {make_reference_device(), make_cpu_device()}) {
    CAPTURE(device->name());
    for (const Dtype dtype : {Dtype::f32, Dtype::f64}) {
      if (!device->supports(dtype)) continue;
      const Tensor singular = Tensor::from<double>({1, 2, 3, 2, 4, 6, 1, 0, 1}, {3, 3}, device).to(dtype);
      const auto determinant = lu(singular).log_det.to(Dtype::f64).to_vector<double>();
      CHECK(determinant[1] == 0.0);
      const Tensor indefinite = Tensor::from<double>({1, 2, 2, 1}, {2, 2}, device).to(dtype);
      const auto log_det = cholesky(indefinite).log_det.to(Dtype::f64).to_vector<double>();
      CHECK(std::isnan(log_det[0]));
      CHECK(log_det[1] == 0.0);
    }
  }
}
