// Each convolution of the networks we train has a plan, within the workspace, that gives the same
// bits at every run. cuDNN is asked where there may be no GPU: only engines that it need not
// compile for the device can be finished there, and they must suffice.
#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <sstream>
#include <unordered_set>

#include "cudnn/convolution_layers.h"
#include "cudnn/described_device.h"
#include "mec/tensor/backends/cuda/cudnn/convolution_plans.h"

using namespace mec;
using namespace mec::test;
using namespace mec::cuda;

namespace {

enum class Math { strict, tf32, bf16 };
const char* name_of(Math math) { return math == Math::strict ? "f32 strict" : math == Math::tf32 ? "f32 tf32" : "bf16"; }

using Keys = std::unordered_set<ConvolutionKey, ConvolutionKeyHash>;

// Every convolution of every network, gradients with and without adding to what is there.
Keys all_keys(Math math) {
  Keys keys;
  for (const TrainedNetwork& network : trained_networks()) {
    for (ConvolutionKey key : convolutions_of(network, math == Math::bf16 ? Dtype::bf16 : Dtype::f32)) {
      key.tf32 = math == Math::tf32;
      // Plans write the gradient of a bf16 weight in bf16, see below.
      if (math == Math::bf16) key.result = Dtype::bf16;
      for (const bool accumulate : {false, true}) {
        if (accumulate && key.direction == ConvolutionDirection::forward) continue;
        key.accumulate = accumulate;
        keys.insert(key);
      }
    }
  }
  return keys;
}

struct Tally {
  int keys = 0, fewest = 1000, most = 0;  // how many plans a key has
  std::int64_t workspace = 0;             // the largest of a first plan
};

// Finishes `most` plans for each key; one must be there, and all within the rules.
void check_plans(const ConvolutionPlans& plans, const ConvolutionKey& key, int most, Tally& tally) {
  const auto candidates = plans.candidates(key, most);
  const auto is_finished = [](const PlanCandidate& c) { return c.plan != nullptr; };
  const auto first = std::ranges::find_if(candidates, is_finished);
  const std::string asked = concat(key);
  CAPTURE(asked);
  REQUIRE(first != candidates.end());
  for (const PlanCandidate& c : candidates) {
    CHECK(c.notes.deterministic);
    CHECK(c.workspace <= PlanOptions{}.workspace_cap);
    if (key.operands == Dtype::f32 && !key.tf32) CHECK_FALSE(c.notes.tensor_core);
  }
  const int count = static_cast<int>(std::ranges::count_if(candidates, is_finished));
  ++tally.keys;
  tally.fewest = std::min(tally.fewest, count);
  tally.most = std::max(tally.most, count);
  tally.workspace = std::max(tally.workspace, first->workspace);
}

void check_networks(const std::string& device, int most) {
  const ConvolutionPlans plans(described_device(device));
  std::ostringstream table;
  for (const Math math : {Math::strict, Math::tf32, Math::bf16}) {
    std::map<ConvolutionDirection, Tally> tallies;
    for (const ConvolutionKey& key : all_keys(math)) check_plans(plans, key, most, tallies[key.direction]);
    for (const auto& [direction, tally] : tallies) {
      table << concat("\n", name_of(math), ", ", cuda::name_of(direction), ": ", tally.keys, " keys with ", tally.fewest,
                      " to ", tally.most, " plans, workspace of the first up to ", tally.workspace >> 10, " KiB");
    }
  }
  MESSAGE("cuDNN ", cudnn_version(), " for ", plans.device().name(), table.str());
}

}  // namespace

TEST_CASE("the stem has no gradient of its input, and its images have eight channels") {
  const auto keys = convolutions_of({{.arch = "resnet18"}, 224, 256}, Dtype::bf16);
  const auto stem = [](const ConvolutionKey& key) { return key.kh == 7; };
  REQUIRE(std::ranges::count_if(keys, stem) == 2);
  for (const ConvolutionKey& key : keys) {
    CHECK(key.n == 256);
    CHECK(key.operands == Dtype::bf16);
    if (!stem(key)) continue;
    CHECK(key.c == 8);
    CHECK(key.direction != ConvolutionDirection::grad_input);
  }
  // 1 stem, 10 other kinds: 3x3 of four stages and into three of them, and three downsamples.
  CHECK(std::ranges::count(keys, ConvolutionDirection::forward, &ConvolutionKey::direction) == 11);
}

TEST_CASE("the configurations are read") {
  const auto networks = trained_networks();
  CHECK(networks.size() >= 3 + 3 + 4 * 2 + 3);
  const auto has = [&](const char* arch, std::int64_t width, std::int64_t size, std::int64_t batch) {
    return std::ranges::any_of(networks, [&](const TrainedNetwork& n) {
      return n.net.arch == arch && n.net.width == width && n.size == size && n.batch == batch;
    });
  };
  CHECK(has("resnet50", 64, 224, 256));
  CHECK(has("resnet18", 64, 32, 256));
  CHECK(has("resnet10", 16, 20, 128));
  CHECK(has("resnet10", 16, 28, 128));
}

TEST_CASE("every convolution of our networks has a deterministic plan on an H100") { check_networks("h100", 1); }

TEST_SUITE("slow") {
  TEST_CASE("all deterministic plans of our networks keep to the rules") {
    for (const char* device : {"h100", "h200", "a100"}) check_networks(device, 1000);
  }
}

TEST_CASE("the gradient of a weight is f32 where an engine writes it, else as wide as the operands") {
  ConvolutionPlans plans(described_device("h100"));
  for (const ConvolutionKey& key : convolutions_of({{.arch = "resnet50"}, 224, 256}, Dtype::bf16)) {
    if (key.direction != ConvolutionDirection::grad_weight) continue;
    ConvolutionKey asked = key;
    asked.result = plans.grad_weight_dtype(key);
    CHECK(plans.find(asked) != nullptr);
    CHECK((asked.result == Dtype::f32 || asked.result == Dtype::bf16));
    asked.operands = Dtype::f32;
    CHECK(plans.grad_weight_dtype(asked) == Dtype::f32);
  }
}
