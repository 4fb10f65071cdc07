// A batch that does not fit into the memory that a process may have: the error names one that does.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdio>

#include "support/program.h"
#include "support/shell.h"

using namespace mec;
using namespace mec::test;

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)  // these map terabytes

namespace {

struct Fixture : RunFixture {
  Fixture() { write_images(folder / "data", 2400, 8); }

  // The processor's kernels are said, so that each machine runs the same ones.
  ProgramResult train(std::int64_t batch, int size = 24) const {
    std::filesystem::remove_all(at("r"));
    return run_shell(folder, concat("ulimit -v 1000000\nexport OPENBLAS_NUM_THREADS=1\n",
                                    "run pretrain config.toml --out r --threads 1 --kernels own --set train.epochs=1 "
                                    "--set train.warmup_epochs=0 --set mec.lambda_warmup_epochs=0 --set train.lr=0.001 "
                                    "--set model.width=16 --set train.batch=",
                                    batch, " --set augment.size=", size));
  }
};

}  // namespace

TEST_CASE_FIXTURE(Fixture, "a batch that a limit on addresses does not leave room for: the error names one that fits") {
  const ProgramResult large = train(2400);
  CAPTURE(large.err);
  REQUIRE(large.status == 1);
  CHECK(std::ranges::count(large.err, '\n') == 1);
  CHECK(large.err.starts_with("error: out of memory: a step of 2400 images asks for "));
  CHECK(large.err.find(" MiB that are held (weights and gradients 2 MiB, optimiser 1 MiB, teacher 1 MiB, batch 10 MiB, ") !=
        std::string::npos);
  const std::size_t at = large.err.find("; train.batch is 2400, and about ");
  REQUIRE(at != std::string::npos);
  long fits = 0, measured = 0;
  CHECK(std::sscanf(large.err.c_str() + at,
                    "; train.batch is 2400, and about %ld fit, estimated from steps of up to %ld images\n", &fits,
                    &measured) == 2);
  CHECK(8 * measured <= 2 * fits);
  CAPTURE(fits);
  const ProgramResult fitting = train(fits);
  CAPTURE(fitting.err);
  CHECK(fitting.status == 0);
  CHECK(train(2 * fits).status == 1);
}

TEST_CASE_FIXTURE(Fixture, "a batch whose views alone take more than a limit leaves: the error names one that fits") {
  write_images(folder / "data", 12000, 8);
  const ProgramResult large = train(12000, 100);
  CAPTURE(large.err);
  CHECK(large.status == 1);
  CHECK(large.err.starts_with(
      "error: loader: the views of 12000 images of (12000,100,100,1) take 915 MiB, and the process gets no "
      "more memory; train.batch is 12000, and about "));
}

#endif
