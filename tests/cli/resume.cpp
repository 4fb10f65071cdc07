// The real program, killed and resumed: it leaves the bytes of a run that was never stopped.
#include <chrono>

#include "cli/resumed_run.h"
#include "mec/tensor/io/folder_lock.h"
#include "mec/tensor/io/safetensors.h"
#include "support/shell.h"

using namespace mec;
using namespace mec::test;

TEST_CASE_FIXTURE(ResumeFixture, "a run that is killed again and again leaves the bytes of one that was not") {
  for (const std::string method : {"mec", "moco-v2", "swav"}) {
    CAPTURE(method);
    std::filesystem::remove_all(at("whole"));
    std::filesystem::remove_all(at("run"));
    const auto began = std::chrono::steady_clock::now();
    REQUIRE(run_until(start("whole", method), [] { return false; }));
    const auto whole = std::chrono::steady_clock::now() - began;
    // Parts of growing length, so that each kill meets another instant and the end comes.
    int kills = 0, resumed = 0;
    for (bool ended = false; !ended; ++kills) {
      resumed += newest_checkpoint_in(at("run")).step > 0 ? 1 : 0;
      const auto until = std::chrono::steady_clock::now() + whole * (3 + kills) / 11;
      ended = run_until(go("run", method), [&] { return std::chrono::steady_clock::now() > until; });
      REQUIRE(kills < 100);
    }
    MESSAGE(method, ": ", kills - 1, " kills, ", resumed, " resumed");
    check_same("run", "whole");
  }
}

TEST_CASE_FIXTURE(ResumeFixture, "a run that cannot write its checkpoints trains on, and goes on from the one before") {
  run(start("whole", "mec"));
  stop_early();
  const FoundCheckpoint before = newest_checkpoint_in(at("run"));
  const std::string good = read_bytes(before.path);
  // A write beyond a limit on the size of files fails, here in the middle of each checkpoint.
  const ProgramResult limited =
      run_shell(folder, concat("ulimit -f ", good.size() / 1024, "\nrun pretrain --threads 1 --resume run"));
  CAPTURE(limited.err);
  CHECK(limited.status == 1);
  CHECK(limited.err.find("safetensors: File too large (the limit on the size of files, ulimit -f, or the file system's own); "
                         "training goes on, and the next checkpoint is tried\n") != std::string::npos);
  CHECK(limited.err.find("error: the last checkpoint is not written: cannot write ") != std::string::npos);
  CHECK(std::ranges::count(limited.err, '\n') == 2);
  CHECK(limited.out.find("step 40/40") != std::string::npos);
  CHECK_FALSE(has_temporary(at("run")));
  CHECK(newest_checkpoint_in(at("run")).path == before.path);
  CHECK(read_bytes(before.path) == good);
  run(resume("run"));
  check_same("run", "whole");

  // And by a kill as soon as the file beside it shows, at whatever place of it.
  std::filesystem::remove_all(at("run"));
  stop_early();
  bool ended = false;
  for (int i = 0; i < 3 && !ended; ++i) ended = run_until(resume("run"), [&] { return has_temporary(at("run")); });
  if (!ended) REQUIRE(run_until(resume("run"), [] { return false; }));
  check_same("run", "whole");
}

TEST_CASE_FIXTURE(ResumeFixture, "lines later than the checkpoint are dropped, a half one too") {
  run(start("whole", "mec"));
  stop_early();
  const std::string metrics = read_bytes(folder / "run/metrics.jsonl"), timings = read_bytes(folder / "run/timings.jsonl");
  write_bytes(folder / "run/metrics.jsonl", metrics + "{\"step\":11,\"epoch\":2}\n{\"step\":12,\"ep");
  write_bytes(folder / "run/timings.jsonl", timings + "{\"st");
  const std::string said = run(resume("run")).out;
  CHECK(said.find(concat("resuming ", at("run"), " at epoch ")) != std::string::npos);
  check_same("run", "whole");
  CHECK(read_bytes(folder / "run/timings.jsonl").starts_with(timings.substr(0, timings.size() / 4)));
}

TEST_CASE_FIXTURE(ResumeFixture, "a run that has ended says so") {
  run(start("run", "mec"));
  const auto before = contents(at("run"));
  const ProgramResult again = run(resume("run"));
  CHECK(again.out.find("training has ended already, after 4 epochs") != std::string::npos);
  CHECK(contents(at("run")) == before);
}

TEST_CASE_FIXTURE(ResumeFixture, "without a checkpoint there is nothing to resume") {
  run(start("run", "mec", kNoCheckpoints));
  CHECK(newest_checkpoint_in(at("run")).step == 0);
  fails(1, "run: nothing to resume, there is no checkpoint; ", resume("run"));
  check_fails(folder, 1, "nothing to resume", resume("nowhere"));
  check_fails(folder, 1, "train.checkpoint_epochs is at least 0", start("other", "mec", {"train.checkpoint_epochs=-1"}));
}

TEST_CASE_FIXTURE(ResumeFixture, "a run that was stopped before its first checkpoint begins again") {
  const std::vector<std::string> rare{"train.checkpoint_epochs=4"};
  run(start("whole", "mec", rare));
  // As a kill leaves it, in the second epoch or in the first.
  const auto stopped = [&](bool with_encoder) {
    std::filesystem::remove_all(at("run"));
    std::filesystem::copy(at("whole"), at("run"));
    std::filesystem::remove(newest_checkpoint_in(at("run")).path);
    write_bytes(folder / "run/checkpoint-40.safetensors.12-0.tmp", "half");
    write_bytes(folder / "run/encoder.safetensors.12-0.tmp", "half");
    if (!with_encoder) std::filesystem::remove(folder / "run/encoder.safetensors");
    write_bytes(folder / "run/metrics.jsonl", read_bytes(folder / "whole/metrics.jsonl").substr(0, 300));
  };
  const std::string why = "run: the output folder is not empty; choose another with --out, or remove it first";
  stopped(false);
  check_fails(folder, 1, "run has no encoder.safetensors yet: no epoch of this run has ended; go on with mec pretrain --resume",
              {"eval", "table", at("run")});
  for (const bool with_encoder : {false, true}) {
    for (const auto& arguments : {start("run", "mec", rare), resume("run"), go("run", "mec", rare)}) {
      stopped(with_encoder);
      CHECK(run(arguments).out.find("beginning again in " + at("run")) != std::string::npos);
      check_same("run", "whole");
    }
  }
  fails(1, why + "; --resume goes on with the run that it holds", start("run", "mec", rare));

  // Other settings: only where nothing was made yet.
  const std::vector<std::string> other{"train.checkpoint_epochs=4", "train.lr=0.01"};
  stopped(true);
  fails(1, why, start("run", "mec", other));
  fails(1, why, go("run", "mec", other));
  // When checkpoints are made is no other setting.
  run(go("run", "mec", {"train.checkpoint_epochs=4", "train.checkpoint_steps=15"}));
  stopped(false);
  run(start("run", "mec", other));
  CHECK(read_bytes(folder / "run/settings.toml").find("\nlr = 0.01\n") != std::string::npos);
  // What else lies there, or belongs to a process that still writes, stays.
  stopped(false);
  write_bytes(folder / "run/notes.txt", "mine");
  fails(1, why, start("run", "mec", rare));
  fails(1, why, resume("run"));
  fails(1, why, go("run", "mec", rare));
  std::filesystem::remove(at("run/notes.txt"));
  {
    const FolderLock lock(at("run"));
    fails(1, "run: another process is writing into this folder", start("run", "mec", rare));
    fails(1, "run: another process is writing into this folder", resume("run"));
  }
  // A run without checkpoints has ended with its encoder, or may have.
  std::filesystem::remove_all(at("run"));
  run(start("run", "mec", kNoCheckpoints));
  for (const auto& again : {start("run", "mec", kNoCheckpoints), go("run", "mec", kNoCheckpoints)}) fails(1, why, again);
}

TEST_CASE_FIXTURE(ResumeFixture, "a checkpoint that is damaged, foreign or of other settings is refused") {
  stop_early();
  const std::filesystem::path path = newest_checkpoint_in(at("run")).path;
  for (const auto& entry : std::filesystem::directory_iterator(at("run"))) {  // one before it would be taken
    if (entry.path() != path && entry.path().filename().string().starts_with("checkpoint-"))
      std::filesystem::remove(entry.path());
  }
  const std::string whole = read_bytes(path);
  const auto fails_with = [&](const std::string& bytes, const std::string& why) {
    write_bytes(path, bytes);
    fails(1, why, resume("run"));
  };
  fails_with(whole.substr(0, whole.size() / 2), ".safetensors: the file is truncated");
  fails_with("", "; it is the only one of this run: remove what is damaged, and it begins again");
  fails_with("weights", path.filename().string());
  write_bytes(path, whole);
  std::string damaged = whole;
  const SafetensorsReader reader(path);
  const auto entry = std::ranges::find(reader.entries(), "online.encoder.bn1.running_var", &SafetensorsEntry::name);
  REQUIRE(entry != reader.entries().end());
  const std::size_t second_value = whole.size() - reader.entries().back().end + entry->begin + 4;
  damaged.replace(second_value, 4, std::string("\0\0\xc0\x7f", 4));  // NaN
  fails_with(damaged,
             ".safetensors: the checkpoint is damaged: tensor "
             "'online.encoder.bn1.running_var' is not as it was "
             "written (online.encoder.bn1.running_var[1] is nan, but weights are finite)");
  fails_with(read_bytes(folder / "run/encoder.safetensors"), ".safetensors: not a checkpoint");
  write_bytes(path, whole);

  const std::filesystem::path settings_path = folder / "run/settings.toml";
  const std::string settings = read_bytes(settings_path);
  const auto fails_with_settings = [&](const std::string& from, const std::string& to, const std::string& why) {
    std::string changed = settings;
    REQUIRE(changed.find(from) != std::string::npos);
    write_bytes(settings_path, changed.replace(changed.find(from), from.size(), to));
    fails(1, why, resume("run"));
    write_bytes(settings_path, settings);
  };
  fails_with_settings("arch = \"resnet10\"", "arch = \"resnet18\"",
                      "the checkpoint is of another run: model.arch is \"resnet10\" in the checkpoint, but \"resnet18\" here");
  fails_with_settings("method = \"mec\"", "method = \"byol\"", "method is \"mec\" in the checkpoint, but \"byol\" here");
  fails_with_settings("epochs = 4\n", "epochs = 5\n", "train.epochs is 4 in the checkpoint, but 5 here");
  write_images(folder / "data", 100, 20);
  fails(1, "steps_per_epoch is 10 in the checkpoint, but 6 here", resume("run"));
  write_images(folder / "data", 160, 20);

  const std::string metrics = read_bytes(folder / "run/metrics.jsonl");
  write_bytes(folder / "run/metrics.jsonl", metrics.substr(0, 300));
  fails(1, "metrics.jsonl: the line of step ", resume("run"));
  write_bytes(folder / "run/metrics.jsonl", metrics);
  std::filesystem::rename(settings_path, at("away.toml"));
  fails(1, "settings.toml", resume("run"));
  std::filesystem::rename(at("away.toml"), settings_path);
  {
    const FolderLock other(at("run"));
    fails(1, "run: another process is writing into this folder", resume("run"));
  }
  run(resume("run"));
}

TEST_CASE_FIXTURE(ResumeFixture, "a run goes on where its images have moved, with other loader threads") {
  run(start("whole", "mec"));
  stop_early();
  std::filesystem::rename(at("data"), at("moved"));
  std::string settings = read_bytes(folder / "run/settings.toml");
  settings.replace(settings.find(at("data")), at("data").size(), at("moved"));
  settings.replace(settings.find("workers = 1"), 11, "workers = 3");
  write_bytes(folder / "run/settings.toml", settings);
  run(resume("run"));
  for (const char* file : {"metrics.jsonl", "encoder.safetensors", "checkpoint-40.safetensors"}) {
    CHECK(read_bytes(folder / "run" / file) == read_bytes(folder / "whole" / file));
  }
}

TEST_CASE_FIXTURE(ResumeFixture, "a run that stops over its numbers names the last good state") {
  // The series diverges when the second epoch's λ is reached.
  const ProgramResult result = run_program(folder, start("run", "mec",
                                                         {"mec.on_divergence=stop", "mec.eps2=0.05",
                                                          "mec.lambda_warmup_factor=1000000", "mec.lambda_warmup_epochs=2"}));
  CHECK(result.status == 1);
  CHECK(std::ranges::count(result.err, '\n') == 1);
  CHECK(result.err.find(concat("; the last good state is in ", newest_checkpoint_in(at("run")).path.string())) !=
        std::string::npos);
}
