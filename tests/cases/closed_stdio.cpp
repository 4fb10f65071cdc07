// Standard streams that are closed when the program starts: files that it opens must not take their
// numbers.
#include <doctest/doctest.h>

#include "support/shell.h"

using namespace mec::test;

TEST_CASE("with any of the standard streams closed, what a run writes is what it writes with them open") {
  const RunFixture fixture;
  fixture.run({"pretrain", fixture.config, "--threads", "1", "--out", fixture.at("open")});
  const std::string expected = read_bytes(fixture.folder / "open/metrics.jsonl");
  REQUIRE(expected.starts_with("{\"step\":1,"));
  for (const std::string closed : {"<&-", ">&-", "2>&-", "<&- >&-", "<&- 2>&-", ">&- 2>&-", "<&- >&- 2>&-"}) {
    CAPTURE(closed);
    std::filesystem::remove_all(fixture.at("closed"));
    const ProgramResult result = run_shell(fixture.folder, "run pretrain config.toml --threads 1 --out closed " + closed);
    CHECK(result.status == 0);
    CHECK(read_bytes(fixture.folder / "closed/metrics.jsonl") == expected);
    CHECK(read_bytes(fixture.folder / "closed/encoder.safetensors") == read_bytes(fixture.folder / "open/encoder.safetensors"));
    CHECK(run_shell(fixture.folder, "run info closed " + closed).status == 0);
  }
  const ProgramResult again = run_shell(fixture.folder, "run pretrain --threads 1 --resume closed");
  CHECK(again.out.find("training has ended already") != std::string::npos);
}
