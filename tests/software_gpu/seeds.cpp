// Training on the software GPU while its streams run late, or ahead of each other.
#include <doctest/doctest.h>

#include "software_gpu/streams.h"
#include "ssl/tiny_run.h"

using namespace mec;
using namespace mec::test;

TEST_CASE("software GPU: training has the same bits however far apart streams run") {
  PretrainSettings settings = tiny_settings_of("mec");
  settings.train.epochs = 3;
  Losses late;
  const auto expected = train_tiny(settings, late, make_cuda_device());
  for (const std::uint64_t seed : {1, 2}) {
    software_gpu::set_seed(seed);
    Losses ahead;
    CHECK(train_tiny(settings, ahead, make_cuda_device()) == expected);
    CHECK(ahead.metrics == late.metrics);
  }
  software_gpu::set_seed(0);
}
