// SIGTERM, SIGINT and SIGUSR1, whatever the program is at: it ends within seconds, with the status
// that is documented, and what is on the disk goes on to the same bits.
#include <chrono>
#include <csignal>

#include "chaos/chaotic_run.h"

using namespace mec;
using namespace mec::test;

namespace {

struct Ending {
  int signal, status;
  std::string name;
};
const std::vector<Ending> kEndings{{SIGTERM, 143, "SIGTERM"}, {SIGINT, 130, "SIGINT"}, {SIGUSR1, 75, "SIGUSR1"}};

struct Fixture : ChaoticRun {
  std::filesystem::path out = folder / "out.txt", err = folder / "err.txt";

  // The command is sent the signal once `ready`; its status, and how long the end took.
  int stop(const std::vector<std::string>& arguments, const Ending& ending, const std::function<bool()>& ready,
           const std::vector<std::string>& variables = {}) const {
    Process process(arguments, variables, out, err);
    REQUIRE_FALSE(process.wait_until(ready));
    const auto sent = std::chrono::steady_clock::now();
    process.send(ending.signal);
    const int status = process.wait();
    CHECK(std::chrono::steady_clock::now() - sent < std::chrono::seconds(10));
    return status;
  }
  std::string said() const { return read_bytes(err); }
  std::uintmax_t size(const std::string& name) const {
    std::error_code error;
    const std::uintmax_t bytes = std::filesystem::file_size(folder / name, error);
    return error ? 0 : bytes;
  }
};

// Enough for the program to be where it stays.
std::function<bool()> after(int milliseconds) {
  const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(milliseconds);
  return [until] { return std::chrono::steady_clock::now() > until; };
}

}  // namespace

TEST_CASE_FIXTURE(Fixture, "a signal ends training after the step, with a checkpoint of it, and no bit is lost") {
  run(long_command("whole"));
  std::int64_t before = 0;
  for (const Ending& ending : kEndings) {
    CAPTURE(ending.name);
    const std::uintmax_t lines = size("run/metrics.jsonl");
    REQUIRE(stop(long_command("run"), ending, [&] { return size("run/metrics.jsonl") > lines + 2000; }) == ending.status);
    const std::int64_t step = newest_checkpoint_in(at("run")).step;
    CHECK(step > before);
    before = step;
    CHECK(said() == concat("mec: stopped by ", ending.name, " after step ", step, "; go on with mec pretrain --resume ",
                           at("run"), "\n"));
    const std::string metrics = read_bytes(folder / "run/metrics.jsonl");
    CHECK(std::ranges::count(metrics, '\n') == step);
  }
  run(long_command("run"));
  check_same("run", "whole");
}

TEST_CASE_FIXTURE(Fixture, "a signal while a checkpoint is written leaves a whole one") {
  run(long_command("whole"));
  for (const Ending& ending : kEndings) {
    CAPTURE(ending.name);
    CHECK(stop(long_command("run"), ending, [&] { return has_temporary(at("run")); }) == ending.status);
    CHECK_FALSE(has_temporary(at("run")));
  }
  run(long_command("run"));
  check_same("run", "whole");
}

// A job that is requeued goes on from the checkpoint before; without one it would begin again for
// ever.
TEST_CASE_FIXTURE(Fixture,
                  "a signal on a full disk ends with its status where a checkpoint is there, and with 1 where none is") {
  run(long_command("whole"));
  for (const Ending& ending : kEndings) {
    CAPTURE(ending.name);
    std::filesystem::remove_all(at("run"));
    write_bytes(err, "");
    const Fault full{.kind = "on", .at = 3, .file = "checkpoint-", .call = "fsync"};
    const auto fails = [&] {
      return said().find("; training goes on, and the next checkpoint is tried\n") != std::string::npos;
    };
    CHECK(stop(long_command("run"), ending, fails, variables(full)) == ending.status);
    const std::string metrics = read_bytes(folder / "run/metrics.jsonl"), all = said();
    const auto steps = std::ranges::count(metrics, '\n');
    const std::int64_t good = newest_checkpoint_in(at("run")).step;
    REQUIRE(good > 0);
    CHECK(good < steps);
    const std::string last = all.substr(all.rfind('\n', all.size() - 2) + 1);
    CHECK(last.starts_with(concat("mec: stopped by ", ending.name, " after step ", steps,
                                  "; the last checkpoint is not written: cannot write ", at("run/checkpoint-"))));
    CHECK(last.ends_with(concat("; go on with mec pretrain --resume ", at("run"), ", from step ", good, "\n")));
  }
  run(long_command("run"));
  check_same("run", "whole");
  std::filesystem::remove_all(at("run"));
  const auto trains = [&] { return size("run/metrics.jsonl") > 2000; };
  CHECK(stop(long_command("run"), kEndings[2], trains,
             variables({.kind = "on", .at = 1, .file = "checkpoint-", .call = "fsync"})) == 1);
  CHECK(said().find("error: the last checkpoint is not written: cannot write ") != std::string::npos);
}

TEST_CASE_FIXTURE(Fixture, "a second SIGINT does not wait for the disk, and leaves the checkpoint before") {
  run(command("whole"));
  make_stopped();
  copy("stopped", "run");
  const FoundCheckpoint good = newest_checkpoint_in(at("run"));
  Process process(command("run"), variables({.kind = "hang", .at = 1, .file = "checkpoint-", .call = "fsync"}), out, err);
  REQUIRE_FALSE(process.wait_until([&] { return has_temporary(at("run")); }));
  process.send(SIGINT);
  CHECK_FALSE(process.wait_until(after(500)));  // it waits for the write
  process.send(SIGTERM);
  CHECK_FALSE(process.wait_until(after(200)));
  const auto sent = std::chrono::steady_clock::now();
  process.send(SIGINT);
  CHECK(process.wait() == 130);
  CHECK(std::chrono::steady_clock::now() - sent < std::chrono::seconds(1));
  CHECK(said() == "mec: stopped by SIGINT\n");
  CHECK(newest_checkpoint_in(at("run")).path == good.path);
  check_goes_on();
}

// With no thread of the loader's, the one that would write the checkpoint never comes back from the
// image.
TEST_CASE_FIXTURE(Fixture, "a signal ends a wait for images that never come, with a checkpoint of the last step") {
  std::filesystem::remove_all(at("data"));
  write_noted_images(folder / "data", 48, 4);
  const auto command_of = [&](const std::string& name, int workers = 1) {
    return go(name, "mec", {"train.checkpoint_epochs=0", concat("data.workers=", workers)});
  };
  run(command_of("whole"));
  // In a later epoch than the first.
  const Fault hangs{.kind = "hang", .at = 3, .file = "1040.png", .call = "open", .folder = "data"};
  const auto stands_still = [&, lines = std::uintmax_t{0}, since = std::chrono::steady_clock::now()]() mutable {
    if (size("run/metrics.jsonl") != lines) since = std::chrono::steady_clock::now();
    lines = size("run/metrics.jsonl");
    return lines > 0 && std::chrono::steady_clock::now() - since > std::chrono::seconds(1);
  };
  CHECK(stop(command_of("run"), kEndings[0], stands_still, variables(hangs)) == kEndings[0].status);
  CHECK(said() == "mec: stopped by SIGTERM\n");
  const std::string metrics = read_bytes(folder / "run/metrics.jsonl");
  CHECK(newest_checkpoint_in(at("run")).step == std::ranges::count(metrics, '\n'));
  run(command_of("run"));
  check_same("run", "whole");
  std::filesystem::remove_all(at("run"));
  CHECK(stop(command_of("run", 0), kEndings[2], stands_still, variables(hangs)) == kEndings[2].status);
  CHECK(said() == "mec: stopped by SIGUSR1\n");
  CHECK(newest_checkpoint_in(at("run")).step == 0);
}

TEST_CASE_FIXTURE(Fixture, "a signal ends an evaluation, and the run that goes on makes up for it, to the same bits") {
  // Scores take far longer than the steps between them.
  write_images(folder / "data", 160, 6000);
  settings = {"eval.every_epochs=1"};
  REQUIRE(run_until(command("whole"), [] { return false; }));
  const auto lines = [&] { return read_bytes(folder / "run/metrics.jsonl"); };
  int given_up = 0;
  for (int epoch = 1; epoch <= 4; ++epoch) {
    const Ending& ending = kEndings[static_cast<std::size_t>(epoch) % kEndings.size()];
    CAPTURE(epoch);
    CAPTURE(ending.name);
    const std::string last_step = concat("{\"step\":", 10 * epoch, ","), scores = concat("{\"epoch\":", epoch, ",");
    const auto scores_next = [&] {
      return std::filesystem::exists(at("run/metrics.jsonl")) && lines().find(last_step) != std::string::npos;
    };
    REQUIRE(stop(command("run"), ending, scores_next) == ending.status);
    if (lines().find(scores) != std::string::npos) continue;
    ++given_up;
    CHECK(newest_checkpoint_in(at("run")).step == 10 * epoch);
    CHECK(said() == concat("mec: stopped by ", ending.name, " after step ", 10 * epoch, "; go on with mec pretrain --resume ",
                           at("run"), "\n"));
  }
  MESSAGE(given_up, " of 4 evaluations were given up");
  CHECK(given_up >= 2);
  check_goes_on();
}

TEST_CASE_FIXTURE(Fixture, "a signal ends an evaluation whose images never come, after the checkpoint of its epoch") {
  std::filesystem::remove_all(at("data"));
  write_noted_images(folder / "data", 48, 24);
  settings = {"eval.every_epochs=1"};
  run(command("whole"));
  // Test images are read by evaluations alone; the sixth time is that of the second epoch.
  const Fault hangs{.kind = "hang", .at = 3, .file = "/test/", .call = "open", .folder = "data"};
  const auto is_there = [&] { return newest_checkpoint_in(at("run")).step == 3; };
  CHECK(stop(
            command("run"), kEndings[0], [&] { return is_there() && (::usleep(500000), true); }, variables(hangs)) == 143);
  CHECK(said() == "mec: stopped by SIGTERM\n");
  check_goes_on();
}

TEST_CASE_FIXTURE(Fixture, "a signal ends the start of a run and an evaluation at once") {
  run(command("whole"));
  const auto hangs = variables({.kind = "hang", .at = 1, .file = "images-idx3", .call = "open", .folder = "data"});
  for (const Ending& ending : kEndings) {
    CAPTURE(ending.name);
    CHECK(stop(command("run"), ending, after(700), hangs) == ending.status);
    CHECK(said() == concat("mec: stopped by ", ending.name, "\n"));
    CHECK(stop({"eval", "table", at("whole"), "--threads", "1"}, ending, after(700), hangs) == ending.status);
    CHECK(said() == concat("mec: stopped by ", ending.name, "\n"));
  }
  check_goes_on();
}

TEST_CASE_FIXTURE(Fixture, "a study that is stopped keeps the runs that it finished") {
  const std::vector<std::string> study{"study",
                                       "methods",
                                       config,
                                       "--methods",
                                       "simsiam,vicreg",
                                       "--k",
                                       "5",
                                       "--threads",
                                       "1",
                                       "--set",
                                       "model.proj_hidden=16",
                                       "--set",
                                       "model.dim=16",
                                       "--set",
                                       "train.epochs=8",
                                       "--set",
                                       "train.batch=16",
                                       "--out",
                                       at("study")};
  const auto first_is_kept = [&] {
    std::error_code none;
    return std::filesystem::exists(at("study/runs/vicreg-0/metrics.jsonl"), none);
  };
  CHECK(stop(study, kEndings[0], first_is_kept) == 143);
  CHECK(said().find("mec: stopped by SIGTERM\n") != std::string::npos);
  CHECK_FALSE(std::filesystem::exists(at("study/methods.csv")));
  const std::string again = run(study).out;
  CHECK(again.find("simsiam-0") != std::string::npos);
  CHECK(std::ranges::count(again, '(') == 1 + 1);
  CHECK(again.find("s  (kept)\n") != std::string::npos);
  CHECK(std::filesystem::exists(at("study/methods.csv")));
}

TEST_CASE_FIXTURE(Fixture, "a signal that the caller ignores stays ignored") {
  struct sigaction ignore {
  }, old{};
  ignore.sa_handler = SIG_IGN;
  ::sigaction(SIGINT, &ignore, &old);
  Process process(long_command("run"), {}, out, err);
  ::sigaction(SIGINT, &old, nullptr);
  REQUIRE_FALSE(process.wait_until([&] { return size("run/metrics.jsonl") > 0; }));
  process.send(SIGINT);
  CHECK(process.wait() == 0);
}
