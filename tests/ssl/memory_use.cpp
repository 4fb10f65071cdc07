// What a step says that does not fit into memory, and whether the batch that it names fits.
#include "mec/ssl/training/memory_use.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>

#include "mec/ssl/training/random_step.h"
#include "mec/tensor/backends/wrappers/recording.h"
#include "ssl/tiny_run.h"

using namespace mec;
using namespace mec::test;

namespace {

constexpr std::size_t kMiB = std::size_t{1} << 20;

// The CPU's kernels on so much memory, in segments that do not grow, as a GPU has them.
class SmallDevice : public ForwardingBackend {
 public:
  explicit SmallDevice(std::size_t bytes)
      : ForwardingBackend(make_cpu_device({.threads = 1, .kernels = CpuKernels::own})), left_(bytes), memory_(upstream()) {}
  CachingAllocator& allocator() override { return memory_; }

 private:
  Upstream upstream() {
    return {.allocate = [this](std::size_t bytes) -> void* {
              if (bytes > left_) return nullptr;
              left_ -= bytes;
              return std::aligned_alloc(4096, bytes);
            },
            .release =
                [this](void* memory, std::size_t bytes) {
                  left_ += bytes;
                  std::free(memory);
                }};
  }

  std::size_t left_;
  CachingAllocator memory_;
};

const StepImages kImages{.views = {{16, 16}, {16, 16}}, .channels = 1};
constexpr std::int64_t kTooMany = 4096;

PretrainSettings settings_of(const std::string& method, const std::string& arch, std::int64_t batch) {
  PretrainSettings settings = tiny_settings_of(method);
  settings.model.arch = arch;
  settings.model.width = 8;
  settings.train.batch = batch;
  if (settings.method_settings.contains("queue")) settings.method_settings["queue"] = 2.0 * static_cast<double>(batch);
  return settings;
}

// `records`: steps are recorded and replayed, as a GPU does.
Device make_small(std::size_t bytes, bool records = false) {
  const Device device = std::make_shared<SmallDevice>(bytes);
  return records ? std::make_shared<RecordingBackend>(device) : device;
}

// Why a step does not fit into so much memory; "" where it does.
std::string failure(const PretrainSettings& settings, std::size_t bytes, bool records = false) {
  try {
    RandomStep step(settings, kImages, make_small(bytes, records));
    for (int i = 0; i < (records ? 5 : 2); ++i) step.run();
    CHECK(step.replays() == records);
    return "";
  } catch (const MemoryError& error) {
    return error.what();
  }
}

}  // namespace

TEST_CASE("a step that does not fit says what was asked for and what holds the memory, which adds up") {
  PretrainSettings settings = settings_of("moco-v2", "resnet18", kTooMany);
  settings.model.width = 32;
  settings.model.dim = 64;
  const std::string said = failure(settings, 400 * kMiB);
  CAPTURE(said);
  long asked = 0, held = 0, number = 0, sum = 0;
  int at = 0;
  REQUIRE(std::sscanf(said.c_str(),
                      "out of memory: a step of 4096 images asks for %ld MiB more, and the system has none beside the "
                      "%ld MiB that are held (%n",
                      &asked, &held, &at) == 2);
  std::map<std::string, long> parts;
  char name[32] = {};
  for (int length = 0; std::sscanf(said.c_str() + at, "%31[a-z ] %ld MiB%n", name, &number, &length) == 2; at += length + 2) {
    parts[std::string(name, std::strlen(name) - 1)] = number;  // without the space before the number
    sum += number;
  }
  CHECK(asked + held > 400);
  CHECK(held <= 400);
  CHECK(sum <= held);
  CHECK(sum + static_cast<long>(parts.size()) > held);
  settings.train.batch = 8;
  const Learner learner(learner_options(settings), make_cpu_device());
  const auto weights = static_cast<long>(learner.parameters.values().bytes() >> 20);
  REQUIRE(weights > 5);
  CHECK(parts["optimiser"] == weights);
  CHECK(std::abs(parts["weights and gradients"] - 2 * weights) <= 1);
  CHECK(std::abs(parts["teacher"] - weights) <= 1);
  CHECK(parts["method"] == 8192 * 64 * 4 / (1 << 20));
  CHECK(parts["batch"] == 2 * 4096 * 16 * 16 * 4 / (1 << 20));
  CHECK(parts["activations"] > 20);
}

TEST_CASE("workspaces are named apart from activations, and parts below one MiB are not named") {
  PretrainSettings settings = settings_of("simsiam", "resnet10", 8);
  settings.model.width = 4;
  const Device device = make_cpu_device();
  const auto objective = make_step_objective(settings, device);
  Learner learner(learner_options(settings), device);
  const std::vector<Tensor> views{Tensor::zeros({256, 32, 32, 1}, Dtype::f32, device)};
  const OutOfMemory error(12 * kMiB, {.in_use = 100 * kMiB, .workspaces = 7 * kMiB, .reserved = 130 * kMiB});
  CHECK(memory_by_part(error, learner, *objective, views) ==
        "out of memory: a step of 256 images asks for 12 MiB more, and the system has none beside the 130 MiB that are held "
        "(batch 1 MiB, workspaces 7 MiB, activations 91 MiB, unused 30 MiB)");
  const OutOfMemory small(2 * kMiB, {.in_use = 0, .reserved = 0});
  CHECK(memory_by_part(small, learner, *objective, {views[0].rows(0, 8)}).ends_with(" beside the 0 MiB that are held"));
}

TEST_CASE("where the networks alone are too large, no batch is named; nor where the batch fits") {
  const auto fits = [](std::int64_t batch, std::size_t bytes) {
    return largest_batch(settings_of("mec", "resnet18", batch), kImages, make_small(bytes), 0);
  };
  CHECK_FALSE(fits(kTooMany, 2 * kMiB).has_value());
  CHECK_FALSE(fits(8, 200 * kMiB).has_value());
}

// In the row before the last, 16 images do not fit.
TEST_CASE("the largest batch that is named fits, and twice as many images do not") {
  for (const auto& row : {std::tuple{"mec", "resnet10", 64, false, 1},
                          {"mec", "resnet10", 64, true, 1},
                          {"simclr", "resnet10", 64, true, 1},
                          {"moco-v2", "resnet18", 96, false, 1},
                          {"moco-v2", "resnet18", 96, true, 1},
                          {"vicreg", "resnet50", 160, false, 1},
                          {"vicreg", "resnet50", 24, false, 1},
                          {"mec", "resnet10", 48, false, 8}}) {
    const std::string method = std::get<0>(row), arch = std::get<1>(row);
    const int memory = std::get<2>(row), accumulate = std::get<4>(row);
    const bool records = std::get<3>(row);
    CAPTURE(method);
    CAPTURE(arch);
    CAPTURE(records);
    CAPTURE(accumulate);
    const std::size_t bytes = static_cast<std::size_t>(memory) * kMiB;
    const auto settings = [&](std::int64_t batch) {
      PretrainSettings all = settings_of(method, arch, batch);
      all.train.accumulate = accumulate;
      return all;
    };
    const auto fails = [&](std::int64_t batch) { return !failure(settings(batch), bytes, records).empty(); };
    const std::int64_t too_many = kTooMany * accumulate;
    REQUIRE(fails(too_many));
    const auto fits = largest_batch(settings(too_many), kImages, make_small(bytes, records), 0);
    REQUIRE(fits.has_value());
    CAPTURE(fits->images);
    CHECK(8 * fits->measured <= std::max<std::int64_t>(2 * fits->images, 128 * accumulate));
    REQUIRE(fits->images >= 4);
    CHECK(fits->images % accumulate == 0);
    CHECK_FALSE(fails(fits->images));
    CHECK(fails(2 * fits->images));
  }
}
