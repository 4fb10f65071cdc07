// Event files, as TensorBoard reads them: bytes, checksums, and what they say of each line.
#include "mec/ssl/run/event_file.h"

#include <doctest/doctest.h>

#include <cmath>

#include "mec/tensor/error.h"
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

TEST_CASE_FIXTURE(Fixture, "lines that are missing are an error") {
  CHECK_THROWS_WITH_AS(rewrite(), doctest::Contains("cannot read"), IoError);
}
