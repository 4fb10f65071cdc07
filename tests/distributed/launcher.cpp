// What the environment says of a launch.
#include "mec/distributed/launcher.h"

#include <doctest/doctest.h>

#include <cstdlib>

using namespace mec;

TEST_CASE("without a launcher there is one process") {
  if (!find_launch()) CHECK(join_processes()->size() == 1);
  for (const char* variable : {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_STEP_NUM_TASKS"}) {
    CAPTURE(variable);
    const char* const had = std::getenv(variable);
    if (had) continue;
    for (const char* value : {"1", "", "x", "4x", "-3", "99999999999"}) {
      CAPTURE(value);
      setenv(variable, value, 1);
      CHECK_FALSE(find_launch().has_value());
    }
    setenv(variable, "4", 1);
    REQUIRE(find_launch().has_value());
    CHECK(find_launch()->size == 4);
    CHECK(find_launch()->variable == variable);
    unsetenv(variable);
  }
}
