// Event files, as TensorBoard reads them: bytes, checksums, and what they say of each line.
#include "mec/ssl/run/event_file.h"

#include <doctest/doctest.h>

#include <sys/resource.h>

#include <cmath>
#include <csignal>
#include <filesystem>
#include <limits>

#include "mec/ssl/run/run_directory.h"
#include "mec/tensor/error.h"
#include "ssl/tiny_run.h"
#include "support/events.h"
#include "tensor/io_files.h"

using namespace mec;
using namespace mec::test;

namespace {

struct Fixture {
  TempFolder folder;
  EventFile events{folder / kEventsFile, 16};

  void write_lines(const std::string& metrics, const std::string& timings) const {
    write_bytes(folder / "metrics.jsonl", metrics);
    write_bytes(folder / "timings.jsonl", timings);
  }
  void rewrite() { events.rewrite(folder / "metrics.jsonl", folder / "timings.jsonl"); }
  std::vector<ReadEvent> read() const { return read_events(read_bytes(folder / kEventsFile)); }
};

const std::string kStep1 = R"({"step":1,"epoch":1,"loss":-0.5,"lr":0.25})",
                  kTime1 = R"({"step":1,"seconds":2.0,"data_seconds":0.5})";
const std::string kScores = R"({"epoch":1,"step":1,"knn":0.75})", kScoreTime = R"({"epoch":1,"step":1,"seconds":8.0})";
const std::string kSkipped = R"({"step":300,"epoch":2,"loss":null,"lr":0.5,"skipped":true})",
                  kTime300 = R"({"step":300,"seconds":4.0,"data_seconds":0.0})";

}  // namespace

TEST_CASE("the checksum is that of RFC 3720") {
  CHECK(crc32c("") == 0);
  CHECK(crc32c("123456789") == 0xe3069283);
  CHECK(crc32c(std::string(32, '\0')) == 0x8a9136aa);
  CHECK(crc32c(std::string(32, '\xff')) == 0x62a8ab43);
}

TEST_CASE_FIXTURE(Fixture, "an event has every number of its two lines") {
  write_lines("", "");
  rewrite();
  CHECK(events.add(kStep1, kTime1).empty());
  CHECK(events.add(kScores, kScoreTime).empty());
  CHECK(events.add(kSkipped, kTime300).empty());
  const auto all = read();
  REQUIRE(all.size() == 4);
  CHECK(all[1].step == 1);
  CHECK(all[1].values == std::map<std::string, float>{{"train/loss", -0.5F},
                                                      {"train/lr", 0.25F},
                                                      {"time/seconds", 2.0F},
                                                      {"time/data_seconds", 0.5F},
                                                      {"time/images_per_second", 8.0F}});
  CHECK(all[2].step == 1);
  CHECK(all[2].values == std::map<std::string, float>{{"eval/knn", 0.75F}, {"time/eval_seconds", 8.0F}});
  CHECK(all[3].step == 300);  // a number of two bytes
  CHECK(std::isnan(all[3].values.at("train/loss")));
  CHECK_FALSE(all[3].values.contains("train/skipped"));
}

TEST_CASE_FIXTURE(Fixture, "a file that is begun anew has the lines so far, each once and at its time") {
  write_lines("", "");
  rewrite();
  for (int i = 0; i < 3; ++i) CHECK(events.add(kStep1, kTime1).empty());  // a former start got as far
  write_lines(kStep1 + "\n" + kScores + "\n", kTime1 + "\n" + kScoreTime + "\n");
  rewrite();
  CHECK(events.add(kSkipped, kTime300).empty());
  const auto all = read();
  REQUIRE(all.size() == 4);
  CHECK(all[1].values.at("train/loss") == -0.5F);
  CHECK(all[2].values.at("eval/knn") == 0.75F);
  CHECK(all[3].step == 300);
  CHECK(all[1].wall_time - all[0].wall_time == doctest::Approx(2.0));
  CHECK(all[2].wall_time - all[1].wall_time == doctest::Approx(8.0));
  CHECK(all[3].wall_time >= all[2].wall_time - 0.01);
  CHECK(all[3].wall_time < all[2].wall_time + 5);
}

TEST_CASE_FIXTURE(Fixture, "a damaged line has no event, and the others have theirs") {
  write_lines(kStep1 + "\n{\"step\":2,\"lo\n" + kSkipped + "\n", kTime1 + "\n" + kTime1 + "\n" + kTime300 + "\n");
  rewrite();
  const auto all = read();
  REQUIRE(all.size() == 3);
  CHECK(all[1].step == 1);
  CHECK(all[2].step == 300);
}

TEST_CASE_FIXTURE(Fixture, "a line that is nested deeply has no event") {
  const std::string nested =
      R"({"step":1,"seconds":2.0,"data_seconds":0.5,"more":)" + std::string(200, '[') + std::string(200, ']') + "}";
  write_lines(kStep1 + "\n", nested + "\n");
  rewrite();
  CHECK(read().size() == 1);
}

TEST_CASE_FIXTURE(Fixture, "a number that is too large for TensorBoard's 32 bits stays finite") {
  write_lines(R"({"step":1,"loss":1e39,"lr":-1e300})"
              "\n",
              kTime1 + "\n");
  rewrite();
  CHECK(read().at(1).values.at("train/loss") == std::numeric_limits<float>::max());
  CHECK(read().at(1).values.at("train/lr") == std::numeric_limits<float>::lowest());
}

TEST_CASE_FIXTURE(Fixture, "memory does not grow with what was written") {
  write_lines("", "");
  rewrite();
  for (int i = 0; i < 100; ++i) CHECK(events.add(kStep1, kTime1).empty());
  CHECK(events.in_memory() == 0);
  CHECK(read().size() == 101);
}

TEST_CASE_FIXTURE(Fixture, "an event that the disk did not take is written with the next one") {
  write_lines("", "");
  rewrite();
  CHECK(events.add(kStep1, kTime1).empty());
  // A limit on the size of files stands for a full disk: it takes a part of a record.
  struct Limited {
    rlimit was{};
    explicit Limited(std::uintmax_t size) {
      std::signal(SIGXFSZ, SIG_IGN);
      ::getrlimit(RLIMIT_FSIZE, &was);
      const rlimit now{.rlim_cur = size, .rlim_max = was.rlim_max};
      ::setrlimit(RLIMIT_FSIZE, &now);
    }
    ~Limited() {
      ::setrlimit(RLIMIT_FSIZE, &was);
      std::signal(SIGXFSZ, SIG_DFL);
    }
  };
  {
    const Limited limited(std::filesystem::file_size(folder / kEventsFile) + 10);
    const std::string failure = events.add(kScores, kScoreTime);
    CHECK_MESSAGE(failure.starts_with("cannot write "), failure);
    CHECK(events.in_memory() > 0);
  }
  CHECK(events.add(kSkipped, kTime300).empty());
  const auto all = read();
  REQUIRE(all.size() == 4);
  CHECK(all[2].values.at("eval/knn") == 0.75F);
  CHECK(all[3].step == 300);
}

TEST_CASE_FIXTURE(Fixture, "a file that could not be begun is begun after a later epoch, with all steps") {
  PretrainSettings settings = tiny_settings();
  settings.log.tensorboard = true;
  write_lines(kStep1 + "\n", kTime1 + "\n");
  write_bytes(folder / kEventsFile / "in the way", "");
  std::vector<std::string> notes;
  const WeightsInfo info{.encoder = {}, .image_size = 8, .mean = {0, 0, 0}, .std = {1, 1, 1}};
  RunDirectory run(folder.path(), settings, info,
                   {.steps_done = 1, .note = [&](const std::string& note) { notes.push_back(note); }});
  Learner learner(learner_options(settings, Dtype::f32, false), make_cpu_device());
  const auto step = [&](std::int64_t number) {
    run.on_step({.step = number, .epoch = 1, .values = {}, .scheduled = {}, .metrics = {}, .seconds = 1, .data_seconds = 0});
  };
  step(2);
  run.on_epoch(1, learner);
  REQUIRE(notes.size() == 1);
  CHECK(notes[0].ends_with("; training goes on, and it is tried again"));
  std::filesystem::remove_all(folder / kEventsFile);
  step(3);
  CHECK_FALSE(std::filesystem::exists(folder / kEventsFile));
  run.on_epoch(2, learner);
  step(4);
  std::vector<std::int64_t> steps;
  for (const ReadEvent& event : read()) steps.push_back(event.step);
  CHECK(steps == std::vector<std::int64_t>{0, 1, 2, 3, 4});
  CHECK(notes.size() == 1);
}

TEST_CASE_FIXTURE(Fixture, "lines that are missing are an error") {
  CHECK_THROWS_WITH_AS(rewrite(), doctest::Contains("cannot read"), IoError);
}
