// OpenMP that gives fewer threads than it is asked for: the libraries' barriers would wait for the
// others for ever.
#include <doctest/doctest.h>

#include <algorithm>

#include "mec/tensor/backends/cpu/threads.h"
#include "support/shell.h"

using namespace mec;
using namespace mec::test;

namespace {

struct Fixture : RunFixture {
  // The metrics of a run with these variables and options.
  std::string train(const std::string& variables, const std::string& options) const {
    std::filesystem::remove_all(at("r"));
    CAPTURE(variables);
    const ProgramResult result =
        run_shell(folder, concat("export ", variables, "\nrun pretrain config.toml --set model.width=8 --out r ", options));
    CHECK(result.status == 0);
    return read_bytes(folder / "r/metrics.jsonl");
  }
  // What `mec info` says of threads.
  std::string info(const std::string& variables) const {
    const std::string out = run_shell(folder, concat("export ", variables, "\nrun info")).out;
    const std::size_t begin = out.rfind(" loops, ");
    REQUIRE(begin != std::string::npos);
    return out.substr(begin + 8, out.find(')', begin) - begin - 7);
  }
};

}  // namespace

TEST_CASE_FIXTURE(Fixture, "a run takes the threads that OpenMP gives, and has the bits of that number") {
  const std::string one = train("A=1", "--threads 1"), two = train("A=1", "--threads 2");
  REQUIRE(std::ranges::count(one, '\n') == 4);
  CHECK(train("OMP_THREAD_LIMIT=1", "--threads 2") == one);
  CHECK(train("OMP_THREAD_LIMIT=2", "--threads 6") == two);
  CHECK(train("OMP_MAX_ACTIVE_LEVELS=0", "--threads 2") == one);
  CHECK(train("OMP_NUM_THREADS=2,1", "") == two);
  CHECK(train("OMP_NUM_THREADS=1", "") == one);
  CHECK(train("OMP_NESTED=true OMP_MAX_ACTIVE_LEVELS=3", "--threads 2") == two);
}

TEST_CASE_FIXTURE(Fixture, "OMP_DYNAMIC does not take threads away from a kernel that counts on them") {
  // OpenMP then gives no more than there are processors: fewer than these, however busy the machine
  // is.
  const std::string many = concat("--threads ", 2 * cpu::choose_threads(0).processors + 1);
  const std::string expected = train("OMP_WAIT_POLICY=passive", many);
  CHECK(train("OMP_WAIT_POLICY=passive OMP_DYNAMIC=true", many) == expected);
}

#if MEC_HAVE_OPENMP
TEST_CASE_FIXTURE(Fixture, "info says how many threads there are and why") {
  CHECK(info("OMP_THREAD_LIMIT=1 OMP_NUM_THREADS=4") == "1 thread (OMP_THREAD_LIMIT allows no more than 1)");
  CHECK(info("OMP_MAX_ACTIVE_LEVELS=0 OMP_NUM_THREADS=4") == "1 thread (OMP_MAX_ACTIVE_LEVELS allows no more than 1)");
  CHECK(info("OMP_NUM_THREADS=3,2") == "3 threads (OMP_NUM_THREADS)");
  const int processors = cpu::choose_threads(0).processors;
  if (processors < 2) return;
  CHECK(info("GOMP_CPU_AFFINITY=0").starts_with("1 thread (OpenMP binds threads to 1 of "));
  if (std::system("taskset -c 0 true 2>/dev/null") != 0) return;
  CHECK(run_shell(folder, "timeout 120 taskset -c 0 \"$MEC\" info").out.find("1 thread (this process may use 1 of ") !=
        std::string::npos);
}

TEST_CASE_FIXTURE(Fixture, "more threads than processors, and fewer than asked for, are said once, and the run goes on") {
  const int processors = cpu::choose_threads(0).processors;
  const auto said = [&](const std::string& variables, int threads) {
    std::filesystem::remove_all(at("r"));
    const ProgramResult result = run_shell(
        folder, concat("export OMP_WAIT_POLICY=passive ", variables, "\nrun pretrain config.toml --out r --threads ", threads));
    CHECK(result.status == 0);
    return result.err;
  };
  const std::string many = said("", processors + 2);
  CHECK(many.starts_with(concat("mec: ", processors + 2, " threads share ", processors, " processor")));
  CHECK(std::ranges::count(many, '\n') == 1);
  CHECK(said("OMP_THREAD_LIMIT=1", 2) == "mec: 2 threads were asked for, but OMP_THREAD_LIMIT allows no more than 1\n");
  CHECK(said("", 1).empty());
}
#else
TEST_CASE_FIXTURE(Fixture, "without OpenMP a pool has the threads that are asked for, with the same bits for any number") {
  CHECK(info("OMP_NUM_THREADS=4,2") == "4 threads (OMP_NUM_THREADS)");
  const int processors = cpu::choose_threads(0).processors;
  const ProgramResult many = run_shell(folder, concat("run pretrain config.toml --out m --threads ", processors + 1));
  CHECK(many.status == 0);
  CHECK(many.err.starts_with(concat("mec: ", processors + 1, " threads share ", processors, " processor")));
#if !MEC_HAVE_ONEDNN && !MEC_HAVE_BLAS
  const std::string one = train("A=1", "--threads 1");
  for (const char* threads : {"--threads 2", "--threads 3", "--threads 7"}) CHECK(train("A=1", threads) == one);
#endif
}
#endif
