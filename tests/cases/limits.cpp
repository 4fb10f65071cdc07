// A machine that gives less than the program expects: one line that says what, status 1, and
// nothing left behind.
#include <doctest/doctest.h>

#include <algorithm>

#include "mec/tensor/devices.h"
#include "mec/tensor/io/npy.h"
#include "mec/tensor/ops.h"
#include "support/shell.h"

using namespace mec::test;

namespace {

struct Fixture : RunFixture {
  Fixture() { mec::write_npy(at("x.npy"), mec::random({12, 6}, mec::Dtype::f32, mec::make_reference_device(), {.seed = 5})); }

  // The files that a writer leaves when it is ended at once.
  bool has_temporary() const {
    const auto names = listing(folder);
    return std::ranges::any_of(names, [](const std::string& name) { return name.ends_with(".tmp"); });
  }
  void one_line(const ProgramResult& result, const std::string& why) const {
    CHECK(result.err.starts_with("error: "));
    last_line(result, why);
    CHECK(std::ranges::count(result.err, '\n') == 1);
  }
  // Training went on, with a note, until its end.
  void last_line(const ProgramResult& result, const std::string& why) const {
    CAPTURE(result.err);
    CHECK(result.status == 1);
    REQUIRE(result.err.ends_with('\n'));
    const std::string last = result.err.substr(result.err.rfind('\n', result.err.size() - 2) + 1);
    CHECK(last.starts_with("error: "));
    CHECK(last.find(why) != std::string::npos);
    CHECK_FALSE(has_temporary());
  }
};

const std::string kTrain = "run pretrain config.toml --out r ";

}  // namespace

TEST_CASE_FIXTURE(Fixture, "output that is lost is an error, of every command") {
  run({"pretrain", config, "--threads", "1", "--out", at("run")});
  for (const std::string command :
       {"--version", "--help", "eval --help", "info", "info run", "coding length --z x.npy", "loss mec --p x.npy --z x.npy",
        "eval knn run --k 3 --no-baselines", "eval knn run --k 3 --no-baselines --json", "embed run --out f.npy",
        "pretrain config.toml --threads 1 --out again"}) {
    CAPTURE(command);
    one_line(run_shell(folder, "run " + command + " >/dev/full"), "cannot write to standard output: ");
  }
  // The training itself is not lost.
  CHECK(std::filesystem::exists(folder / "again/checkpoint-4.safetensors"));
}

TEST_CASE_FIXTURE(Fixture, "a reader that has seen enough ends the program quietly") {
  // A pipe that nobody reads from any more.
  const std::string unread = "mkfifo p; exec 3<>p 4>p 3<&-\n";
  const ProgramResult quiet = run_shell(folder, unread + "run --help >&4");
  CHECK(quiet.status == 128 + 13);
  CHECK(quiet.err.empty());
  std::filesystem::remove(at("p"));
  one_line(run_shell(folder, "trap '' PIPE\n" + unread + "run --help >&4"), "cannot write to standard output: Broken pipe");
}

TEST_CASE_FIXTURE(Fixture, "a limit on the size of files ends in an error with the file's name") {
  const std::string why =
      "encoder.safetensors: File too large (the limit on the size of files, ulimit -f, or the file system's own)";
  const ProgramResult result = run_shell(folder, "ulimit -f 16\n" + kTrain + "--threads 1");
  last_line(result, why);
  CHECK(result.err.find(why + "; training goes on, and it is tried again\n") != std::string::npos);
}

TEST_CASE_FIXTURE(Fixture, "where no more threads can be made, fewer do the work, and readers of images are missed by name") {
  if (!can_run_bound()) return;
  // The leak sanitizer needs a thread of its own.
  const std::string alone =
      "exec timeout 120 env ASAN_OPTIONS=detect_leaks=0 prlimit --nproc=1 \"$MEC\" pretrain config.toml --out r ";
  const ProgramResult result = run_bound(folder, alone + "--threads 3 --set data.workers=0");
  CAPTURE(result.err);
  CHECK(result.status == 0);
  CHECK(result.err.starts_with("mec: 3 threads were asked for, but the system makes no more than 1 "));
  CHECK(std::ranges::count(result.err, '\n') == 1);
  const std::string metrics = read_bytes(folder / "r/metrics.jsonl");
  std::filesystem::remove_all(at("r"));
  run({"pretrain", config, "--out", at("r"), "--threads", "1"});
  CHECK(read_bytes(folder / "r/metrics.jsonl") == metrics);
  std::filesystem::remove_all(at("r"));
  one_line(run_bound(folder, alone + "--threads 1 --set data.workers=2"),
           "loader: the system gives 0 of the 2 threads that are to read images (Resource temporarily unavailable; ");
}

TEST_CASE_FIXTURE(Fixture, "a limit on addresses ends in an error or not at all, never in a crash or a wait") {
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  for (const int limit : {200, 250, 300, 320, 340, 360, 380, 400, 420, 440, 460, 500, 600, 800, 1200, 2000}) {
    CAPTURE(limit);
    for (const std::string& command : {kTrain + "--threads 2", std::string("run coding length --z x.npy --threads 2")}) {
      const ProgramResult result = run_shell(folder, mec::concat("ulimit -v ", limit * 1000, "\n", command));
      CAPTURE(result.err);
      // The system's own loader could not map one, and said so.
      const bool no_library = result.status == 127;
      CHECK((result.status == 0 || no_library || result.status == 1));
      if (result.status == 1) CHECK(result.err.find("error: ") != std::string::npos);
      CHECK_FALSE(has_temporary());
      std::filesystem::remove_all(at("r"));
    }
  }
#endif
}

TEST_CASE_FIXTURE(Fixture, "few open files, a small stack and an empty environment") {
  // The check of types, of the undefined-behaviour sanitizer, wants a pipe for itself.
#if !defined(__SANITIZE_ADDRESS__)
  for (const int files : {4, 5, 6, 8}) {
    CAPTURE(files);
    const ProgramResult result =
        run_shell(folder, mec::concat("ulimit -n ", files, "\nexec \"$MEC\" pretrain config.toml --out r"));
    // With streams that the test was given, so few are too few for the system to find the
    // libraries.
    const bool no_library = result.status == 127 && result.err.find("loading shared libraries") != std::string::npos;
    if (result.status != 0 && !no_library) last_line(result, "");
    std::filesystem::remove_all(at("r"));
  }
#endif
  CHECK(run_shell(folder, "ulimit -s 512\n" + kTrain + "--threads 2").status == 0);
  std::filesystem::remove_all(at("r"));
  CHECK(run_shell(folder, "exec env -i \"$MEC\" pretrain config.toml --out r --threads 1").status == 0);
  std::filesystem::remove_all(at("r"));
  CHECK(run_shell(folder, "export TMPDIR=/nowhere HOME=/nowhere\n" + kTrain + "--threads 1").status == 0);
}

TEST_CASE_FIXTURE(Fixture, "a folder that may not be written is named") {
  if (!can_run_bound()) return;
  const ProgramResult run_there = run_bound(folder, "mkdir shut; chmod 500 shut\nrun pretrain config.toml --out shut/r");
  one_line(run_there, "shut/r: the output folder cannot be made: Permission denied");
  one_line(run_bound(folder, "run coding length --z x.npy --grad shut/f.npy"), "cannot create shut/f.npy: Permission denied");
  one_line(run_bound(folder, "echo old >kept.npy; chmod 400 kept.npy\nrun coding length --z x.npy --grad kept.npy"),
           "cannot replace kept.npy: Permission denied");
  CHECK(read_bytes(folder / "kept.npy") == "old\n");
}
