// When checkpoints are made, which are kept, and what a disk that is slow or full does to training.
#include "mec/ssl/training/checkpoint_writer.h"

#include <doctest/doctest.h>

#include <atomic>
#include <limits>
#include <thread>

#include "mec/ssl/methods/mec.h"
#include "mec/ssl/training/checkpoint_files.h"
#include "ssl/tiny_run.h"
#include "tensor/io_files.h"

using namespace mec;
using namespace mec::test;

namespace {

using Steps = std::vector<std::int64_t>;

constexpr std::int64_t kStepsPerEpoch = 3;

struct Fixture {
  TempFolder folder;
  const std::filesystem::path& out = folder.path();
  Device device = make_cpu_device();
  PretrainSettings settings = tiny_settings();
  MecObjective objective{mec_settings(settings)};
  Learner learner{learner_options(settings), device};
  std::vector<std::string> notes;

  Fixture() {
    settings.train.epochs = 4;
    settings.train.checkpoint_epochs = 0;
    settings.train.checkpoint_minutes = 0;
    settings.train.checkpoints_kept = 100;
  }

  CheckpointWriter writer(const std::function<void()>& before = {}, std::int64_t steps_done = 0) {
    return {settings.train,
            {.steps_per_epoch = kStepsPerEpoch, .settings = {}},
            objective,
            {.folder = out, .steps_done = steps_done, .before = before, .note = [this](const std::string& n) {
               notes.push_back(n);
             }}};
  }
  // As the trainer does after a step. Whether the state was asked for.
  bool end_step(CheckpointWriter& writer, std::int64_t step, bool last = false) {
    const StepEnd end{.step = step, .last = last};
    if (!writer.wants_state(end)) return false;
    writer.on_state(end, learner);
    return true;
  }
  // The steps of the checkpoints that a run of four epochs makes on a fast disk.
  Steps made() {
    for (const std::int64_t step : checkpoints_in(out)) std::filesystem::remove(out / checkpoint_name(step));
    CheckpointWriter w = writer();
    for (std::int64_t step = 1; step <= 12; ++step) {
      end_step(w, step, step == 12);
      w.finish();
    }
    return checkpoints_in(out);
  }
};

}  // namespace

TEST_CASE_FIXTURE(Fixture, "checkpoints come as often as they are asked for, and after the last step") {
  CHECK(made() == Steps{});
  settings.train.checkpoint_epochs = 1;
  CHECK(made() == Steps{3, 6, 9, 12});
  settings.train.checkpoint_epochs = 3;
  CHECK(made() == Steps{9, 12});
  settings.train.checkpoint_steps = 5;
  CHECK(made() == Steps{5, 9, 10, 12});
  settings.train.checkpoint_epochs = 0;
  CHECK(made() == Steps{5, 10, 12});
  settings.train.checkpoint_steps = 0;
  settings.train.checkpoint_minutes = 1e-9;
  CHECK(made().size() == 12);
  settings.train.checkpoint_minutes = 1e9;
  CHECK(made() == Steps{12});
}

TEST_CASE_FIXTURE(Fixture, "a checkpoint that could not be read back is not made, and its step named") {
  for (const bool of_teacher : {false, true}) {
    settings.train.checkpoint_steps = 1;
    CheckpointWriter each = writer();
    end_step(each, 1);
    each.finish();
    TeacherNetwork& network = of_teacher ? learner.teacher->network : learner.online;
    const Tensor variance = buffers_of(network).at(3).tensor;
    variance.segment(1, {1}).fill(std::numeric_limits<double>::infinity());
    const std::string what = of_teacher ? "after step 2 teacher." : "after step 2 online.";
    CHECK_THROWS_WITH_AS(end_step(each, 2), doctest::Contains(what.c_str()), NumericalError);
    CHECK(checkpoints_in(out) == Steps{1});
    variance.fill(1);
  }
}

TEST_CASE_FIXTURE(Fixture, "minutes count from the checkpoint before") {
  settings.train.checkpoint_minutes = 1.0 / 60;  // a busy disk may take half a second for a file
  CheckpointWriter w = writer();
  CHECK_FALSE(end_step(w, 1));
  std::this_thread::sleep_for(std::chrono::milliseconds(1010));
  CHECK(end_step(w, 2));
  w.finish();
  CHECK_FALSE(end_step(w, 3));
  std::this_thread::sleep_for(std::chrono::milliseconds(1010));
  CHECK(end_step(w, 4));
}

TEST_CASE_FIXTURE(Fixture, "the last ones are kept, and other files left alone") {
  settings.train.checkpoint_steps = 2;
  settings.train.checkpoints_kept = 3;
  write_bytes(out / "checkpoint-02.safetensors", "mine");
  CHECK(made() == Steps{8, 10, 12});
  settings.train.checkpoints_kept = 1;
  CHECK(made() == Steps{12});
  CHECK(read_bytes(out / "checkpoint-02.safetensors") == "mine");
  // Newer ones were damaged where a run goes on from an older one, and must not count as kept.
  write_bytes(out / "checkpoint-30.safetensors", "damaged");
  settings.train.checkpoints_kept = 2;
  CheckpointWriter w = writer({}, 12);
  end_step(w, 14);
  w.finish();
  CHECK(checkpoints_in(out) == Steps{12, 14});
}

TEST_CASE_FIXTURE(Fixture, "older ones that cannot be removed are told of once, and again after they could be") {
  settings.train.checkpoint_steps = 1;
  settings.train.checkpoints_kept = 1;
  const std::filesystem::path stuck = out / checkpoint_name(1);
  write_bytes(stuck / "file", "a folder that holds one is not removed");
  CheckpointWriter w = writer();
  const auto write = [&](std::int64_t step) {
    end_step(w, step);
    w.newest();
  };
  write(2);
  write(3);
  REQUIRE(notes.size() == 1);
  CHECK(notes[0].starts_with(stuck.string() + " cannot be removed: "));
  std::filesystem::remove_all(stuck);
  write(4);
  write_bytes(stuck / "file", "again");
  write(5);
  write(6);
  CHECK(notes == std::vector{notes[0], notes[0]});
  CHECK(checkpoints_in(out) == Steps{1, 6});
}

TEST_CASE_FIXTURE(Fixture, "a slow disk holds no step up: what is due meanwhile is made once it is ready") {
  settings.train.checkpoint_steps = 2;
  std::atomic<bool> slow{true};
  CheckpointWriter w = writer([&] {
    while (slow) std::this_thread::yield();
  });
  CHECK(end_step(w, 2));
  for (std::int64_t step = 3; step <= 7; ++step) CHECK_FALSE(end_step(w, step));
  CHECK(checkpoints_in(out).empty());
  slow = false;
  w.newest();
  CHECK(end_step(w, 7));  // that of step 6
  w.newest();
  CHECK(end_step(w, 8));
  w.finish();
  CHECK(checkpoints_in(out) == Steps{2, 7, 8});
  // Where training ends, it waits.
  slow = true;
  CHECK(end_step(w, 10));
  std::thread disk([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    slow = false;
  });
  CHECK(end_step(w, 11, true));
  w.finish();
  disk.join();
  CHECK(checkpoints_in(out) == Steps{2, 7, 8, 10, 11});
}

TEST_CASE_FIXTURE(Fixture, "what is written is the state as it was, though training goes on") {
  settings.train.checkpoint_steps = 1;
  const auto before = snapshot(learner);
  std::atomic<bool> slow{true};
  CheckpointWriter w = writer([&] {
    while (slow) std::this_thread::yield();
  });
  CHECK(end_step(w, 1));
  for (const auto& [name, parameter] : parameters_of(learner.online)) parameter.value.data().fill(7);
  CHECK(snapshot(learner) != before);
  slow = false;
  w.finish();
  Checkpoint(out / checkpoint_name(1)).restore(learner, objective);
  CHECK(snapshot(learner) == before);
}

TEST_CASE_FIXTURE(Fixture, "a write that fails is told once, tried again, and leaves the checkpoint before it") {
  settings.train.checkpoint_steps = 1;
  bool full = false;
  CheckpointWriter w = writer([&] { check<IoError>(!full, "the disk is full"); });
  const auto step = [&](std::int64_t number) {
    end_step(w, number);
    w.newest();
  };
  step(1);
  full = true;
  for (const std::int64_t number : {2, 3, 4}) step(number);
  CHECK(w.newest() == 1);
  w.wants_state({.step = 4, .last = false});
  CHECK(checkpoints_in(out) == Steps{1});
  CHECK(Checkpoint(out / checkpoint_name(1)).step() == 1);
  REQUIRE(notes.size() == 1);
  CHECK(notes[0] == "the disk is full; training goes on, and the next checkpoint is tried");
  CHECK_THROWS_WITH_AS(w.finish(), "the last checkpoint is not written: the disk is full", IoError);
  full = false;
  step(5);
  step(6);
  w.finish();
  CHECK(checkpoints_in(out) == Steps{1, 5, 6});
  REQUIRE(notes.size() == 2);
  CHECK(notes[1] == "checkpoint-5.safetensors is written: checkpoints are made again");
}

TEST_CASE_FIXTURE(Fixture,
                  "where training is asked to stop after a step with a checkpoint, it is not made again; a failed one is") {
  settings.train.checkpoint_steps = 2;
  int writes = 0;
  CheckpointWriter w = writer([&] { check<IoError>(++writes != 2, "full"); });
  end_step(w, 2);
  end_step(w, 2, true);
  w.finish();
  CHECK(writes == 1);
  end_step(w, 4);
  w.newest();
  end_step(w, 4, true);
  w.finish();
  CHECK(writes == 3);
  CHECK(checkpoints_in(out) == Steps{2, 4});
  // Nor is one made of the step that the run went on from.
  CheckpointWriter resumed = writer({}, 4);
  end_step(resumed, 4, true);
  resumed.finish();
  CHECK(writes == 3);
}

TEST_CASE_FIXTURE(Fixture, "counts below zero, and none to keep, are refused") {
  settings.train.checkpoints_kept = 0;
  CHECK_THROWS_AS(writer(), ValueError);
  settings.train.checkpoints_kept = 1;
  settings.train.checkpoint_minutes = -1;
  CHECK_THROWS_AS(writer(), ValueError);
}
