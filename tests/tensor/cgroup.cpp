// What control groups leave of the machine: processors and memory, in both versions and in
// containers.
#include "mec/tensor/cgroup.h"

#include <doctest/doctest.h>

#include <cmath>

#include "tensor/io_files.h"

using namespace mec;
using namespace mec::test;

namespace {

// A folder with the files of proc and sys that tell of control groups.
struct Groups : TempFolder {
  Groups(const std::string& groups, const std::string& mounts) {
    write_bytes(*this / "proc/self/cgroup", groups);
    write_bytes(*this / "proc/self/mountinfo", "22 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw\n" + mounts);
  }
  double processors() const { return cgroup_processors(path()); }
  double memory() const { return cgroup_memory(path()); }
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
  CHECK(std::isinf(cgroup_processors(above / "nothing here")));
  CHECK(std::isinf(cgroup_memory(above / "nothing here")));
}

TEST_CASE("a batch job's memory is the least limit of the groups that it lies in") {
  const Groups groups("0::/batch/job_7/step_0\n", "31 23 0:27 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n");
  const auto batch = groups / "sys/fs/cgroup/batch";
  write_bytes(batch / "job_7/step_0/memory.max", "max\n");
  CHECK(std::isinf(groups.memory()));
  write_bytes(batch / "job_7/memory.max", "2147483648\n");
  write_bytes(batch / "memory.max", "8589934592\n");
  CHECK(groups.memory() == 2147483648.0);
  write_bytes(batch / "job_8/memory.max", "4096\n");  // of others
  CHECK(groups.memory() == 2147483648.0);
  CHECK(std::isinf(groups.processors()));
}

TEST_CASE("version 1 of control groups has memory in a hierarchy of its own, and a huge number for no limit") {
  const Groups groups("9:memory:/batch/job_7\n4:cpu,cpuacct:/elsewhere\n",
                      "30 23 0:26 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
                      "33 23 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n");
  const auto memory = groups / "sys/fs/cgroup/memory/batch";
  write_bytes(memory / "job_7/memory.limit_in_bytes", "9223372036854771712\n");
  CHECK(std::isinf(groups.memory()));
  write_bytes(memory / "memory.limit_in_bytes", "1073741824\n");
  CHECK(groups.memory() == 1073741824.0);
}
