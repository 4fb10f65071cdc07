// mpirun mec pretrain: the run of one process, in several; and what stops them.
#include <doctest/doctest.h>

#include <chrono>
#include <csignal>
#include <map>
#include <sstream>
#include <thread>

#include "data/fixtures.h"
#include "dist/launched.h"

using namespace mec;
using namespace mec::test;

TEST_CASE("the processes of a launch keep the rules of a communicator") {
  for (const int processes : {2, 3, 5}) {
    CAPTURE(processes);
    const TempFolder outside;
    Process process(MEC_MPIEXEC, {"-n", std::to_string(processes), MEC_TEST_DISTRIBUTED, "--no-skip", "--test-suite=launched"},
                    kVariables, outside / "out", outside / "err");
    const int status = process.wait();
    CAPTURE(read_bytes(outside / "out"));
    CHECK(status == 0);
  }
}

TEST_CASE("processes wait for the first one for as long as it says that it is at work") {
  std::vector<std::string> impatient = kVariables;
  impatient.emplace_back("MEC_PATIENCE=2");
  const TempFolder outside;
  Process process(MEC_MPIEXEC, {"-n", "2", MEC_TEST_DISTRIBUTED, "--no-skip", "--test-suite=impatient"}, impatient,
                  outside / "out", outside / "err");
  const int status = process.wait();
  CAPTURE(read_bytes(outside / "out"));
  CHECK(status == 0);
}

namespace {

struct AsOne : Launched {
  // So many processes train as one does, and to the same bits when they train again.
  void check_processes(int processes, const std::string& method) const {
    CAPTURE(method);
    CAPTURE(processes);
    const std::vector<std::string> looked_at{"train.health_steps=2", "train.epochs=2"};
    REQUIRE(run_in(1, command("one", method, looked_at)).status == 0);
    const ProgramResult result = run_in(processes, command("several", method, looked_at));
    CAPTURE(result.err);
    REQUIRE(result.status == 0);
    CHECK(result.out.find("wrote ") == result.out.rfind("wrote "));  // told once
    const std::vector<double> one = losses("one"), several = losses("several");
    REQUIRE(several.size() == one.size());
    for (std::size_t step = 0; step < 3; ++step) {  // later, rounding has grown
      CHECK(several[step] == doctest::Approx(one[step]).epsilon(1e-3).scale(0.1));
    }
    const std::vector<double> rank = values("one", "effective_rank"), ranks = values("several", "effective_rank");
    REQUIRE(ranks.size() == rank.size());
    REQUIRE(rank.size() == 10);
    CHECK(ranks.front() == doctest::Approx(rank.front()).epsilon(1e-2));  // of the embeddings of all
    REQUIRE(run_in(processes, command("again", method, looked_at)).status == 0);
    check_same("again", "several");
  }
};

}  // namespace

TEST_CASE_FIXTURE(AsOne, "two processes train as one does, and to the same bits when they train again") {
  check_processes(2, "mec");
}

TEST_CASE_FIXTURE(Launched, "four processes in groups of two normalise as two processes do, each by its own images") {
  REQUIRE(run_in(2, command("halves", "mec", {"train.sync_batch_norm=false"})).status == 0);
  const ProgramResult result = run_in(4, command("groups", "mec", {"train.sync_batch_norm=2"}));
  CAPTURE(result.err);
  REQUIRE(result.status == 0);
  const std::vector<double> halves = losses("halves"), groups = losses("groups");
  for (std::size_t step = 0; step < 3; ++step) CHECK(groups[step] == doctest::Approx(halves[step]).epsilon(1e-3).scale(0.1));
}

TEST_CASE_FIXTURE(Launched, "each process keeps a log in the run's folder, of its place, its epochs and its end") {
  REQUIRE(run_in(2, command("run")).status == 0);
  const auto log = [&](int rank) { return read_bytes(folder / "run/ranks" / concat(rank, ".log")); };
  for (int rank = 0; rank < 2; ++rank) {
    const std::string text = log(rank);
    CAPTURE(text);
    CHECK(text.find(concat("Z process ", rank, " of 2, on ")) != std::string::npos);
    CHECK(text.find("1 thread on processor") != std::string::npos);
    CHECK(text.find("Z epoch 4: 10 steps in ") != std::string::npos);
    CHECK(text.ends_with("Z ended after step 40\n"));
  }
  CHECK(run_in(2, command("fails", "mec", {"train.lr=1e30"})).status == 1);
  for (const char* file : {"fails/ranks/0.log", "fails/ranks/1.log"})
    CHECK(read_bytes(at(file)).find("Z error: training: step ") != std::string::npos);
}

namespace {

// Pictures of two classes, of which five in each split end too early.
struct Broken : Launched {
  std::vector<std::string> settings{"data.path=" + at("pictures"), "data.on_broken=skip", "data.channels=1",
                                    "eval.every_epochs=2"};

  Broken() {
    const std::set<int> broken{5, 6, 17, 30, 31};
    for (int i = 0; i < 40; ++i) {
      const std::string png = make_png(8, 8, random_image({8, 8}, 1, static_cast<std::uint64_t>(i)).pixels);
      for (const std::string split : {"train", "test"}) {
        write_bytes(folder / "pictures" / split / (i % 2 == 0 ? "a" : "b") / concat(100 + i, ".png"),
                    broken.contains(i) ? png.substr(0, 60) : png);
      }
    }
  }
  void check_processes(int processes) const {
    CAPTURE(processes);
    REQUIRE(run_in(1, command("one", "mec", settings)).status == 0);
    for (const char* name : {"several", "again"}) {
      const ProgramResult result = run_in(processes, command(name, "mec", settings));
      CAPTURE(result.err);
      REQUIRE(result.status == 0);
      CHECK(result.err.find("skipped a broken image") == result.err.rfind("skipped a broken image"));
    }
    CHECK(std::ranges::count(read_bytes(at("several/broken.txt")), '\n') == 10);
    CHECK(read_bytes(at("several/broken.txt")) == read_bytes(at("one/broken.txt")));
    check_same("again", "several");
    const std::vector<double> one = losses("one"), several = losses("several");
    for (std::size_t step = 0; step < 2; ++step) CHECK(several[step] == doctest::Approx(one[step]).epsilon(1e-3).scale(0.1));
  }
};

}  // namespace

TEST_CASE_FIXTURE(Broken, "broken images that any process meets are skipped and listed, with the images of one process") {
  check_processes(2);
  settings.emplace_back("data.broken_limit=3");
  const ProgramResult result = run_in(2, command("few", "mec", settings));
  CHECK(result.status == 1);
  CHECK(result.err.find("images of the data set are broken, and 3 may be left out (data.broken_limit)") != std::string::npos);
}

TEST_CASE_FIXTURE(Launched, "a signal to mpirun stops all after a step, with a checkpoint of it") {
  REQUIRE(run_in(2, long_command("whole")).status == 0);
  Process process(MEC_MPIEXEC, launch(2, long_command("run")), kVariables, out, err);
  REQUIRE_FALSE(process.wait_until([&] { return newest_checkpoint_in(at("run")).step > 3; }));
  check_stops(process);
}

TEST_CASE_FIXTURE(Launched, "a run goes on in another number of processes, and says that its bits are others") {
  RunFixture::stop_early(command("run"), "run", 40);
  const ProgramResult result = run_in(2, command("run"));
  CHECK(result.status == 0);
  CHECK(result.err.find("in 2 processes it goes on with other bits") != std::string::npos);
  CHECK(losses("run").size() == 40);
}

TEST_CASE_FIXTURE(Launched, "what several processes cannot do ends all of them, before anything is written") {
  const auto refused = [&](int processes, const std::vector<std::string>& arguments, const std::string& why) {
    const ProgramResult result = run_in(processes, arguments);
    CAPTURE(why);
    CAPTURE(result.err);
    CHECK(result.status == 1);
    CHECK(result.err.find("error: " + why) != std::string::npos);
    CHECK_FALSE(std::filesystem::exists(at("run")));
  };
  refused(3, command("run"), "train.batch is 16, which 3 processes do not divide into parts of 1 or more; 15 or 18 would do");
  refused(2, command("run", "mec", {"train.accumulate=16"}),
          "train.accumulate is 16, but train.batch = 16 has no 16 equal parts");
  refused(4, command("run", "mec", {"train.accumulate=8"}),
          "train.batch is 16, which 4 processes with train.accumulate = 8 do not divide into parts of 1 or more; 32 would do");
  refused(4, command("run", "mec", {"train.accumulate=4", "train.sync_batch_norm=false"}),
          "train.batch is 16, which 4 processes with train.accumulate = 4 do not divide into parts of 2 or more; 32 would do");
  refused(4, command("run", "mec", {"train.sync_batch_norm=3"}),
          "train.sync_batch_norm is 3, but 4 processes have no equal groups of 3; 3 or 6 processes would do");
  refused(1, command("run", "mec", {"train.sync_batch_norm=2"}),
          "train.sync_batch_norm is 2, but 1 process has no equal groups of 2; 2 processes would do");
  std::vector<std::string> within = start("run", "mec");
  within.insert(within.end(), {"--within", "1"});
  refused(2, within, "--within times the steps of one process, but this run has 2");
}

TEST_CASE_FIXTURE(Launched, "processes with settings of their own are refused, and train alone where that is wanted") {
  // A shell in each process: its seed, and its folder, are its number.
  const auto sweep = [&](const std::string& variables) {
    std::string line = variables + " exec '" + program_path().string() + "'";
    for (const std::string& word : start("run", "mec"))
      line += " '" + (word == at("run") ? word + "'$OMPI_COMM_WORLD_RANK'" : word) + "'";
    line += " --seed $OMPI_COMM_WORLD_RANK";
    Process process(MEC_MPIEXEC, {"-n", "2", "/bin/sh", "-c", line}, kVariables, out, err);
    return process.wait();
  };
  CHECK(sweep("") == 1);
  const std::string said = read_bytes(err);
  CAPTURE(said);
  CHECK(said.find("error: process 1 of 2, on ") != std::string::npos);
  CHECK(said.find("this one has train.seed = 1, and the first one train.seed = 0") != std::string::npos);
  CHECK_FALSE(std::filesystem::exists(at("run1")));
  std::filesystem::remove_all(at("run0"));
  CHECK(sweep("MEC_PROCESSES=1") == 0);
  CHECK(losses("run0").size() == 40);
  CHECK(losses("run0") != losses("run1"));
}

TEST_CASE_FIXTURE(Launched, "mec bench step --profile counts what processes tell each other") {
  const ProgramResult result = run_in(
      2, {"bench", "step", "--arch",        "resnet10", "--width", "4", "--channels", "1", "--size",   "8", "--batch", "8",
          "--dim", "16",   "--pred-hidden", "8",        "--steps", "2", "--warmup",   "0", "--profile"});
  CAPTURE(result.out);
  CAPTURE(result.err);
  REQUIRE(result.status == 0);
  std::istringstream lines(result.out);
  std::map<std::string, std::pair<double, double>> messages;  // calls and MB, of a step
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string part, kind;
    double calls = 0, megabytes = 0, ms = 0, wait = 0;
    if (words >> part >> kind >> calls >> megabytes >> ms >> wait) messages[part + " " + kind] = {calls, megabytes};
  }
  // Z (8,16) and C (8,8), for each of two pairs: half of each comes from the other rank.
  CHECK(result.out.find("\nmemory of a process at its highest: ") != std::string::npos);
  CHECK(messages["objective all_gather"].first == 4);
  CHECK(messages["objective all_gather"].second == doctest::Approx(4e-6 * 2 * (4 * 16 + 4 * 8)).epsilon(1e-9));
  CHECK(messages["backward sum"].first == 1);  // of the gradients, which are few
  CHECK(messages["backward sum"].second > 0.01);
  CHECK(messages["update finish_sums"].first == 1);
  CHECK(messages["backward all_reduce"].first == messages["student all_gather"].first);  // of batch norm
  CHECK(messages["all messages"].second > messages["backward sum"].second);
}

TEST_SUITE("slow") {
  TEST_CASE_FIXTURE(AsOne, "four processes train as one does, and with another objective") {
    check_processes(4, "mec");
    for (const char* name : {"one", "several", "again"}) std::filesystem::remove_all(at(name));
    check_processes(4, "swav");
  }
  TEST_CASE_FIXTURE(Broken, "four processes skip broken images as one does") { check_processes(4); }

  TEST_CASE_FIXTURE(Launched, "a signal waits for the first process's files, which take seven seconds each") {
    REQUIRE(run_in(2, long_command("whole")).status == 0);
    std::vector<std::string> slow_disk = kVariables;
    slow_disk.insert(slow_disk.end(), {"FAULTS_FOLDER=" + at("run"), "FAULTS_FILE=metrics.jsonl", "FAULTS_CALL=fsync",
                                       "FAULTS_KIND=once", "FAULTS_AT=0", "FAULTS_DELAY=7000"});
    std::vector<std::string> words = launch(2, long_command("run"));
    words.insert(words.begin(), {"-x", concat("LD_PRELOAD=", MEC_FAULTS)});
    Process process(MEC_MPIEXEC, words, slow_disk, out, err);
    // The epoch has ended: the first process brings its lines to the disk, the other waits for it.
    REQUIRE_FALSE(
        process.wait_until([&] { return std::filesystem::exists(at("run/metrics.jsonl")) && losses("run").size() >= 10; }));
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    check_stops(process);
  }
}
