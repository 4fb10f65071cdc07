// How many threads a CPU device takes: processors, control groups, and what OpenMP gives where.
#include "mec/tensor/cpu/threads.h"

#include <doctest/doctest.h>

#include <cmath>

#include "mec/tensor/cpu/cgroup.h"
#include "mec/tensor/devices.h"
#include "mec/tensor/ops.h"
#include "tensor/io_files.h"

#if MEC_HAVE_OPENMP
#include <omp.h>
#endif

using namespace mec;
using namespace mec::test;

namespace {

// A folder with the files of proc and sys that tell of control groups.
struct Groups : TempFolder {
  Groups(const std::string& groups, const std::string& mounts) {
    write_bytes(*this / "proc/self/cgroup", groups);
    write_bytes(*this / "proc/self/mountinfo", "22 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw\n" + mounts);
  }
  double processors() const { return cpu::cgroup_processors(path()); }
};

}  // namespace

TEST_CASE("a control group's quota is the least of its own and of those above it") {
  const Groups groups("0::/jobs/one\n", "31 23 0:27 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n");
  CHECK(std::isinf(groups.processors()));
  write_bytes(groups / "sys/fs/cgroup/jobs/one/cpu.max", "max 100000\n");
  CHECK(std::isinf(groups.processors()));
  write_bytes(groups / "sys/fs/cgroup/jobs/cpu.max", "350000 100000\n");
  CHECK(groups.processors() == 3.5);
  write_bytes(groups / "sys/fs/cgroup/jobs/one/cpu.max", "50000 100000\n");
  CHECK(groups.processors() == 0.5);
  write_bytes(groups / "sys/fs/cgroup/jobs/one/cpu.max", "800000 100000\n");
  CHECK(groups.processors() == 3.5);
  write_bytes(groups / "sys/fs/cgroup/jobs/two/cpu.max", "10000 100000\n");  // of others
  CHECK(groups.processors() == 3.5);
}

TEST_CASE("version 1 of control groups has its quota in two files, beside other controllers") {
  const Groups groups("9:memory:/jobs\n4:cpu,cpuacct:/jobs\n0::/\n",
                      "30 23 0:26 / /sys/fs/cgroup/memory rw shared:9 - cgroup cgroup rw,memory\n"
                      "33 23 0:29 / /sys/fs/cgroup/cpu,cpuacct rw shared:10 - cgroup cgroup rw,cpu,cpuacct\n"
                      "41 23 0:31 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n");
  write_bytes(groups / "sys/fs/cgroup/cpu,cpuacct/jobs/cpu.cfs_period_us", "100000\n");
  write_bytes(groups / "sys/fs/cgroup/cpu,cpuacct/jobs/cpu.cfs_quota_us", "-1\n");
  CHECK(std::isinf(groups.processors()));
  write_bytes(groups / "sys/fs/cgroup/cpu,cpuacct/jobs/cpu.cfs_quota_us", "200000\n");
  CHECK(groups.processors() == 2);
}

TEST_CASE("in a container the group of the process is what is mounted") {
  // As Docker mounts it in version 1, with the path as the machine outside has it; then with a
  // namespace of its own.
  const Groups outside("4:cpu,cpuacct:/docker/abc\n",
                       "33 23 0:29 /docker/abc /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n");
  write_bytes(outside / "sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
  write_bytes(outside / "sys/fs/cgroup/cpu/cpu.cfs_quota_us", "150000\n");
  CHECK(outside.processors() == 1.5);
  const Groups above("0::/../elsewhere\n", "31 23 0:27 / /a\\040mount rw - cgroup2 cgroup2 rw\n");
  write_bytes(above / "a mount/cpu.max", "100000 100000\n");
  CHECK(above.processors() == 1);
  CHECK(std::isinf(cpu::cgroup_processors(above / "nothing here")));
}

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
  const Device two = make_cpu_device({.threads = 2}), one = make_cpu_device({.threads = 1});
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
