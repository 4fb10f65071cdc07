#include "mec/tensor/backends/wrappers/profiling.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "mec/tensor/devices.h"
#include "mec/tensor/ops.h"

using namespace mec;

TEST_CASE("a profile counts calls, operations and bytes by phase, kernel and sizes") {
  const auto profiler = std::make_shared<ProfilingBackend>(make_reference_device());
  const Device device = profiler;
  const Tensor x = Tensor::full({2, 5, 4, 6}, 1, Dtype::f32, device), w = Tensor::full({8, 3, 3, 3}, 1, Dtype::f32, device);
  profiler->reset();
  profiler->begin_phase("first");
  const Tensor y = conv2d(x, w, {.pad = 1, .groups = 2});
  conv2d(x, w, {.pad = 1, .groups = 2});
  profiler->begin_phase("second");
  conv2d_grad_input(y, w, x.shape(), {.pad = 1, .groups = 2});
  conv2d_grad_weight(y, x, w.shape(), {.pad = 1, .groups = 2});
  lu_inverse(lu(matmul(w.reshape({12, -1}), w.reshape({12, -1}), {.trans_b = true})));
  matmul(x.reshape({6, 40}), w.reshape({6, -1}), {.trans_a = true});
  profiler->begin_phase("third");
  matmul(x.reshape({2 * 5 * 4, 6}), w.reshape({6, -1}));

  const auto find = [&](const std::string& kernel) {
    for (const KernelProfile& profile : profiler->profiles()) {
      if (profile.kernel == kernel && (kernel != "matmul" || profile.phase == "third")) return profile;
    }
    FAIL("no call of ", kernel);
    return KernelProfile{};
  };
  const KernelProfile forward = find("conv2d");
  CHECK(forward.phase == "first");
  CHECK(forward.calls == 2);
  const double macs = 2 * 5 * 4 * 8 * 3 * 3 * 3;  // outputs times weights of one output channel
  CHECK(forward.flops == 2 * 2 * macs);
  CHECK(forward.bytes == 2 * 4 * (2 * 5 * 4 * 6 + 8 * 3 * 3 * 3 + 2 * 5 * 4 * 8));
  CHECK(forward.sizes == "(2,5,4,6) f32, (8,3,3,3) f32 -> (2,5,4,8) f32");
  CHECK(forward.seconds > 0);
  CHECK(find("conv2d_grad_input").flops == 2 * macs);
  CHECK(find("conv2d_grad_input").phase == "second");
  CHECK(find("conv2d_grad_weight").flops == 2 * macs);
  CHECK(find("lu").flops == doctest::Approx(2.0 / 3.0 * 12 * 12 * 12));
  CHECK(find("lu_inverse").flops == doctest::Approx(4.0 / 3.0 * 12 * 12 * 12));
  CHECK(find("matmul").flops == doctest::Approx(2.0 * 40 * 6 * 36));
  const auto all = profiler->profiles();
  const auto turned = std::ranges::find(all, std::string("(6,40) f32, (6,36) f32 -> (40,36) f32"), &KernelProfile::sizes);
  REQUIRE(turned != all.end());
  CHECK(turned->flops == 2.0 * 40 * 6 * 36);
  CHECK(std::ranges::is_sorted(all, std::ranges::greater{}, &KernelProfile::seconds));
}
