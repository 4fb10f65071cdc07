// Training on a GPU: from a captured step as from an eager one, and on track with the CPU.
#include <doctest/doctest.h>

#include "mec/ssl/methods.h"
#include "mec/ssl/trainer.h"
#include "mec/tensor/devices.h"
#include "ssl/tiny_run.h"

using namespace mec;
using namespace mec::test;

TEST_CASE("cuda: each method's training from a captured step has the bits of the eager one") {
  for (const Method& method : methods()) {
    for (const char* precision : {"f32", "bf16"}) {
      CAPTURE(method.name);
      CAPTURE(precision);
      PretrainSettings settings = tiny_settings_of(method.name);
      settings.train.precision = precision;
      settings.train.epochs = 3;
      settings.augment.views.back().size = 8;
      Losses captured, eager;
      const auto expected = train_tiny(settings, eager, make_cuda_device(), {.capture = false});
      CHECK(train_tiny(settings, captured, make_cuda_device(), {.capture = true}) == expected);
      CHECK(captured.metrics == eager.metrics);
    }
  }
}

TEST_CASE("cuda: training with the exact log-determinant from a captured step has the bits of the eager one") {
  PretrainSettings settings = tiny_settings();
  settings.mec.exact = true;
  settings.train.epochs = 3;
  Losses captured, eager;
  const auto expected = train_tiny(settings, eager, make_cuda_device(), {.capture = false});
  CHECK(train_tiny(settings, captured, make_cuda_device(), {.capture = true}) == expected);
}

// Rounding differs, and grows from step to step.
TEST_CASE("cuda: the losses of a short run are the CPU's") {
  const PretrainSettings settings = tiny_settings_of("mec");
  Losses gpu, cpu;
  train_tiny(settings, gpu, make_cuda_device());
  train_tiny(settings, cpu, make_cpu_device());
  REQUIRE(gpu.metrics.size() == cpu.metrics.size());
  for (std::size_t step = 0; step < cpu.metrics.size(); ++step) {
    CHECK(gpu.metrics[step].front().second == doctest::Approx(cpu.metrics[step].front().second).epsilon(1e-3));
  }
}
