// Training on a GPU: from a captured step as from an eager one, and on track with the CPU.
#include <doctest/doctest.h>

#include <string_view>

#include "gpu/cases_by_name.h"
#include "mec/ssl/methods/methods.h"
#include "mec/ssl/training/trainer.h"
#include "mec/tensor/devices.h"
#include "ssl/tiny_run.h"

using namespace mec;
using namespace mec::test;

namespace {

void check_captured(const PretrainSettings& settings) {
  Losses captured, eager;
  std::string note;
  const auto expected = train_tiny(settings, eager, make_cuda_device(), {.capture = false});
  CHECK(train_tiny(settings, captured, make_cuda_device(), {.note = [&](const std::string& text) { note = text; }}) ==
        expected);
  CHECK(captured.metrics == eager.metrics);
  CHECK_MESSAGE(note.empty(), note);  // it was captured, and not given up
}

void check_method(const char* method, const char* precision) {
  PretrainSettings settings = tiny_settings_of(method);
  settings.train.precision = precision;
  settings.train.epochs = 3;
  settings.augment.views.back().size = 8;
  check_captured(settings);
}

}  // namespace

// On a GPU made of software, bf16 of the other methods is among the slow tests.
#define METHOD_CASES(method)                                                                                              \
  TEST_CASE("cuda method " method " f32: a captured step has the bits of the eager one") { check_method(method, "f32"); } \
  TEST_CASE("cuda method " method " bf16: a captured step has the bits of the eager one" *                                \
            doctest::test_suite(std::string_view(method) == "mec" ? "" : "slow")) {                                       \
    check_method(method, "bf16");                                                                                         \
  }
MEC_FOR_EACH_METHOD(METHOD_CASES)

TEST_CASE("cuda: training with the exact log-determinant from a captured step has the bits of the eager one") {
  PretrainSettings settings = tiny_settings();
  settings.method_settings["exact"] = true;
  settings.train.epochs = 3;
  check_captured(settings);
}

TEST_CASE("cuda: training in parts of a batch from a captured step has the bits of the eager one") {
  PretrainSettings settings = tiny_settings();
  settings.train.accumulate = 4;
  settings.train.epochs = 3;
  check_captured(settings);
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
