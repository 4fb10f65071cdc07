// The CPU device gives the same bits again, and, where its own loops compute, for any number of
// threads.
#include <doctest/doctest.h>

#include <cstddef>
#include <functional>
#include <vector>

#include "mec/tensor/devices.h"
#include "mec/tensor/ops.h"
#include "support/cpu_kernels.h"
#include "support/op_cases.h"

using namespace mec;
using namespace mec::test;

namespace {

using Bytes = std::vector<std::vector<std::byte>>;

Bytes run_case(const OpCase& op, Dtype dtype, const Device& device) {
  Bytes all;
  for (const Tensor& y : op.run(make_inputs(op, 5, dtype, dtype, device))) {
    std::vector<std::byte> host(y.bytes());
    y.download(host.data());
    all.push_back(std::move(host));
  }
  return all;
}

// Sizes at which the work is really divided: the table's are small enough to stay on one thread.
std::vector<OpCase> large_cases() {
  std::vector<OpCase> table;
  const auto add = [&](const char* name, std::vector<Input> inputs, std::function<Tensors(const Tensors&)> run) {
    table.push_back({.kernel = name, .name = name, .dtypes = {Dtype::f32}, .inputs = std::move(inputs), .run = std::move(run)});
  };
  add("batch_norm_statistics", {{.shape = {20011, 24}}}, [](const Tensors& in) -> Tensors {
    const auto s = batch_norm_statistics(in[0]);
    return {s.mean, s.var};
  });
  add("batch_norm_grad", {{.shape = {20011, 24}}, {.shape = {20011, 24}}}, [](const Tensors& in) -> Tensors {
    const auto s = batch_norm_statistics(in[0]);
    const auto sums = batch_norm_grad_reduce(in[1], in[0], in[0], s, {}, {}, {.relu = true});
    return {sums.dgamma, sums.dbeta,
            batch_norm_grad_apply(in[1], in[0], in[0], s, {}, {}, sums, 20011, false, {.relu = true}).dx};
  });
  for (const Reduce how : {Reduce::all, Reduce::over_rows, Reduce::over_columns}) {
    add("reduce", {{.shape = {1009, 301}}}, [how](const Tensors& in) -> Tensors { return {reduce(how, in[0])}; });
  }
  add("binary", {{.shape = {1009, 301}}, {.shape = {301}}},
      [](const Tensors& in) -> Tensors { return {binary(BinaryOp::mul, in[0], in[1])}; });
  add("power_traces", {{.shape = {301, 301}}, {.shape = {301, 301}}}, [](const Tensors& in) -> Tensors {
    return {power_traces({in[0], in[1]}, 4)};
  });
  add("tsne_forces", {{.shape = {301, 301}}, {.shape = {2, 301}}}, [](const Tensors& in) -> Tensors {
    const TsneForces forces = tsne_forces(in[0], in[1]);
    return {forces.attraction, forces.repulsion, forces.weights};
  });
  add("max_pool2d", {{.shape = {9, 33, 31, 24}}}, [](const Tensors& in) -> Tensors {
    const auto out = max_pool2d(in[0], {});
    return {out.y, max_pool2d_grad(out.y, out.argmax, in[0].shape(), {})};
  });
  add("matmul", {{.shape = {203, 517}}, {.shape = {517, 131}}},
      [](const Tensors& in) -> Tensors { return {matmul(in[0], in[1])}; });
  add("matmul, added", {{.shape = {203, 517}}, {.shape = {517, 131}}, {.shape = {203, 131}}}, [](const Tensors& in) -> Tensors {
    matmul_into(in[0], in[1], in[2], {.accumulate = true});
    return {in[2]};
  });
  add("conv2d", {{.shape = {11, 13, 13, 8}}, {.shape = {24, 3, 3, 8}}}, [](const Tensors& in) -> Tensors {
    const Tensor y = conv2d(in[0], in[1], {.stride = 2, .pad = 1});
    return {y, conv2d_grad_input(y, in[1], in[0].shape(), {.stride = 2, .pad = 1}),
            conv2d_grad_weight(y, in[0], in[1].shape(), {.stride = 2, .pad = 1})};
  });
  add("lu", {{.shape = {203, 203}, .fill = Fill::pivoted_matrix}}, [](const Tensors& in) -> Tensors {
    const Lu factors = lu(in[0]);
    return {factors.lu, factors.log_det, lu_inverse(factors)};
  });
  return table;
}

void check_same(const OpCase& op, const Device& a, const Device& b) {
  for (const Dtype dtype : op.dtypes) {
    CAPTURE(op.name);
    const std::string type = name_of(dtype);
    CAPTURE(type);
    CHECK(run_case(op, dtype, a) == run_case(op, dtype, b));
  }
}

}  // namespace

TEST_CASE("cpu: the same kernel on the same input gives the same bits") {
  for (const CpuKernels kernels : {CpuKernels::own, library_kernels()}) {
    const Device device = make_cpu_device({.kernels = kernels});
    for (const OpCase& op : op_cases()) check_same(op, device, device);
    for (const OpCase& op : large_cases()) check_same(op, device, device);
  }
}

TEST_CASE("cpu: the number of threads does not change a bit of what our own loops compute") {
  const Device one = make_cpu_device({.threads = 1, .kernels = CpuKernels::own});
  for (const int threads : {2, 3, 5}) {
    CAPTURE(threads);
    const Device many = make_cpu_device({.threads = threads, .kernels = CpuKernels::own});
    for (const OpCase& op : op_cases()) check_same(op, one, many);
    for (const OpCase& op : large_cases()) check_same(op, one, many);
  }
}
