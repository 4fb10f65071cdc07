// How many threads a CPU device takes: processors, and what OpenMP gives where.
#include "mec/tensor/backends/cpu/threads.h"

#include <doctest/doctest.h>

#include "mec/tensor/devices.h"
#include "mec/tensor/ops.h"
#include "support/cpu_kernels.h"

#if MEC_HAVE_OPENMP
#include <omp.h>
#endif

using namespace mec;
using mec::test::library_kernels;

#if MEC_HAVE_OPENMP

TEST_CASE("a region within a region counts on one thread, and a scope leaves OpenMP as it was") {
  omp_set_dynamic(1);
  const int before = omp_get_max_threads();
  {
    const cpu::ThreadScope scope(3);
    CHECK(cpu::ThreadScope::current() == cpu::threads_of_region(3));
    CHECK(omp_get_dynamic() == 0);
  }
  CHECK(omp_get_max_threads() == before);
  CHECK(omp_get_dynamic() == 1);
  omp_set_dynamic(0);
  int within = 0, got = 0;
#pragma omp parallel num_threads(2)
  {
#pragma omp single
    {
      got = omp_get_num_threads();
      within = cpu::threads_of_region(3);
    }
  }
  if (got == 2) CHECK(within == 1);
}

TEST_CASE("kernels that are called from a caller's parallel region end, with the bits of one thread") {
  const CpuKernels kernels = library_kernels();
  const Device two = make_cpu_device({.threads = 2, .kernels = kernels}),
               one = make_cpu_device({.threads = 1, .kernels = kernels});
  const auto products = [](const Device& device) {
    const Tensor x = random({4, 16, 16, 16}, Dtype::f32, device, {.seed = 1});
    const Tensor w = random({16, 3, 3, 16}, Dtype::f32, device, {.seed = 2});
    const Tensor dw = conv2d_grad_weight(conv2d(x, w, {.pad = 1}), x, w.shape(), {.pad = 1});
    const Tensor a = random({64, 64}, Dtype::f64, device, {.seed = 3});
    std::vector<double> values = dw.to(Dtype::f64).to_vector<double>();
    const auto more = matmul(a, a).to_vector<double>();
    values.insert(values.end(), more.begin(), more.end());
    return values;
  };
  const auto expected = products(one), outside = products(two);
  std::vector<std::vector<double>> found(2);
#pragma omp parallel for num_threads(2)
  for (int i = 0; i < 2; ++i) found[static_cast<std::size_t>(i)] = products(two);
  if (omp_get_max_active_levels() > 0 && omp_get_thread_limit() > 1) {
    for (const auto& values : found) CHECK(values == expected);
  }
  CHECK(products(two) == outside);
}

#endif
