// A newest checkpoint that was cut off or has another bit: the one before it is taken, and that is
// said.
#include "chaos/chaotic_run.h"
#include "mec/tensor/philox.h"

using namespace mec;
using namespace mec::test;

namespace {

void check_damage(const ChaoticRun& chaos, int places) {
  REQUIRE(chaos.run_until(chaos.command("whole"), [] { return false; }));
  chaos.make_stopped();
  RandomStream draw(1, 0, 0, Purpose::test);
  int harmless = 0;
  for (int place = 0; place < places; ++place) {
    for (const bool cut : {true, false}) {
      chaos.copy("stopped", "run");
      const std::filesystem::path newest = newest_checkpoint_in(chaos.at("run")).path;
      const std::string whole = read_bytes(newest);
      std::string bytes = whole;
      // Half of the places lie in the header, which is smaller than the tensors.
      const std::size_t at = draw.below(place % 2 == 0 ? whole.size() : whole.size() / 8);
      CAPTURE(cut);
      CAPTURE(at);
      if (cut) bytes.resize(at);
      else bytes[at] = static_cast<char>(bytes[at] ^ (1 << draw.below(8)));
      write_bytes(newest, bytes);
      const ProgramResult result = run_program(chaos.folder, chaos.command("run"));
      CAPTURE(result.err);
      REQUIRE(result.status == 0);
      // A space of the header's padding that became a NUL changes nothing of what the file says.
      const bool said = result.err.find(newest.filename().string()) != std::string::npos &&
                        result.err.find("; passed over, going on from checkpoint-") != std::string::npos;
      harmless += said ? 0 : 1;
      if (!said) CHECK((!cut && bytes[at] == '\0' && whole[at] == ' ' && result.err.empty()));
      chaos.check_same("run", "whole");
    }
  }
  CHECK(harmless <= places / 10);
}

}  // namespace

TEST_CASE_FIXTURE(ChaoticRun, "a checkpoint that is cut off or has another bit is passed over for the one before") {
  check_damage(*this, 12);
}

TEST_SUITE("slow") {
  TEST_CASE_FIXTURE(ChaoticRun, "a checkpoint that is damaged at a hundred places is passed over for the one before") {
    check_damage(*this, 100);
  }
}
