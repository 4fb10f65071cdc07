// How a plan is chosen, remembered and refused; cuDNN plans for a device that is described to it.
#include "mec/tensor/backends/cuda/cudnn/convolution_plans.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "cudnn/described_device.h"

using namespace mec;
using namespace mec::test;
using namespace mec::cuda;

namespace {

// 3x3 of ResNet-50's second stage.
ConvolutionKey key_of(ConvolutionDirection direction, Dtype dtype = Dtype::bf16) {
  return make_key(direction, {256, 28, 28, 128}, {128, 3, 3, 128}, dtype, dtype, {.pad = 1});
}
const ConvolutionKey kGradWeight = key_of(ConvolutionDirection::grad_weight);

// Answers with how long the n-th engine it is shown takes; counts the calls.
struct FakeClock {
  std::vector<EngineChoice> seen;
  int calls = 0;

  PlanTimer timer(std::function<double(std::size_t engine, int call)> milliseconds) {
    return [this, milliseconds](const ConvolutionPlan& plan) {
      if (seen.empty() || seen.back() != plan.choice()) {
        seen.push_back(plan.choice());
        calls = 0;
      }
      return milliseconds(seen.size() - 1, calls++);
    };
  }
};

ConvolutionPlans plans_for(const char* device, const PlanOptions& options = {}, PlanTimer timer = {}) {
  return ConvolutionPlans(described_device(device), options, std::move(timer));
}

// The operation and its three tensors, as cuDNN tells of them, are those of the key, and the
// pointers go where they belong.
void check_graph(ConvolutionPlans& plans, const ConvolutionKey& key, const std::vector<const char*>& operands) {
  const std::string asked = concat(key);
  CAPTURE(asked);
  const ConvolutionPlan& plan = plans.plan(key);
  const auto graph = nlohmann::json::parse(plan.describe()).at("operationGraph");
  const auto& operation = graph.at("nodes").at(0);
  using Sizes = std::vector<std::int64_t>;
  CHECK(operation.at("mode") == "CUDNN_CROSS_CORRELATION");
  CHECK(operation.at("mathPrec") == "CUDNN_DATA_FLOAT");
  CHECK(operation.at("alpha") == 1.0);
  CHECK(operation.at("beta") == (key.accumulate ? 1.0 : 0.0));
  CHECK(operation.at("pad") == Sizes{key.pad, key.pad});
  CHECK(operation.at("stride") == Sizes{key.stride, key.stride});
  CHECK(operation.at("dilation") == Sizes{key.dilation, key.dilation});

  std::map<std::string, nlohmann::json> tensors;
  for (const auto& tensor : graph.at("tensors")) tensors[tensor.at("name")] = tensor;
  const Shape shapes[] = {{key.n, key.h, key.w, key.c}, {key.o, key.kh, key.kw, key.c / key.groups}, output_shape(key)};
  for (std::size_t i = 0; i < operands.size(); ++i) {
    const std::string name = operands[i];
    CAPTURE(name);
    CHECK(operation.at(name) == std::to_string(plan.operand_ids()[i]));
    const auto& tensor = tensors.at(operation.at(name));
    const Shape& s = shapes[name.find('X') != std::string::npos ? 0 : name.find('W') != std::string::npos ? 1 : 2];
    CHECK(tensor.at("dim") == Sizes{s[0], s[3], s[1], s[2]});
    CHECK(tensor.at("stride") == Sizes{s[1] * s[2] * s[3], 1, s[2] * s[3], s[3]});  // channels last
    CHECK(tensor.at("dataType") == (key.operands == Dtype::bf16 ? "CUDNN_DATA_BFLOAT16" : "CUDNN_DATA_FLOAT"));
    CHECK(tensor.at("ptrAlignment") == kConvolutionAlignment);
  }
}

}  // namespace

TEST_CASE("cuDNN is asked for the convolution of the key") {
  auto plans = plans_for("h100");
  for (const Dtype dtype : {Dtype::f32, Dtype::bf16}) {
    for (const bool accumulate : {false, true}) {
      const Shape x{4, 15, 18, 32}, w{64, 3, 5, 16};
      const Conv2dArgs args{.stride = 2, .pad = 4, .dilation = 3, .groups = 2, .accumulate = accumulate};
      check_graph(plans, make_key(ConvolutionDirection::grad_input, x, w, dtype, dtype, args), {"dY", "W", "dX"});
      check_graph(plans, make_key(ConvolutionDirection::grad_weight, x, w, dtype, dtype, args), {"dY", "X", "dW"});
      if (accumulate) continue;
      check_graph(plans, make_key(ConvolutionDirection::forward, x, w, dtype, dtype, args), {"X", "W", "Y"});
    }
  }
}

TEST_CASE("strict f32 takes no tensor core, TF32 mostly does") {
  auto plans = plans_for("h100");
  ConvolutionKey key = key_of(ConvolutionDirection::forward, Dtype::f32);
  const auto on_tensor_cores = [&](const ConvolutionKey& asked) {
    const auto found = plans.candidates(asked, 100);
    REQUIRE(!found.empty());
    return std::ranges::count_if(found, [](const PlanCandidate& c) { return c.notes.tensor_core || c.notes.converts_down; });
  };
  CHECK(on_tensor_cores(key) == 0);
  key.tf32 = true;
  CHECK(on_tensor_cores(key) > 0);
  CHECK(plans.plan(key).notes().tensor_core);
}

TEST_CASE("engines whose sums change from run to run are taken only where that is allowed") {
  const auto plans = plans_for("h100");
  ConvolutionKey key = key_of(ConvolutionDirection::grad_weight, Dtype::f32);
  const auto changing = [&] {
    const auto found = plans.candidates(key, 100);
    REQUIRE(!found.empty());
    return std::ranges::count(found, false, [](const PlanCandidate& c) { return c.notes.deterministic; });
  };
  CHECK(changing() == 0);
  key.deterministic = false;
  CHECK(changing() > 0);
}

TEST_CASE("no plan asks for more workspace than the cap") {
  const PlanOptions small{.workspace_cap = 1000};
  auto plans = plans_for("h100", small);
  bool spared = false;
  for (const auto direction :
       {ConvolutionDirection::forward, ConvolutionDirection::grad_input, ConvolutionDirection::grad_weight}) {
    const auto found = plans.candidates(key_of(direction), 100);
    for (const PlanCandidate& c : found) CHECK(c.workspace <= 1000);
    spared = spared || found.size() < plans_for("h100").candidates(key_of(direction), 100).size();
    CHECK(plans.plan(key_of(direction)).workspace_bytes() <= 1000);
  }
  CHECK(spared);
  CHECK(plans.largest_workspace() <= 1000);
}

TEST_CASE("the median of the timed runs decides, after the warm-ups") {
  FakeClock clock;
  // The fourth engine is the fastest, but for its warm-ups and one outlier; the second has one
  // lucky run.
  const auto milliseconds = [](std::size_t engine, int call) {
    if (engine == 3) return call < 2 ? 50.0 : call == 4 ? 90.0 : 1.0;
    return engine == 1 && call == 3 ? 0.1 : 10.0;
  };
  auto plans = plans_for("h100", {}, clock.timer(milliseconds));
  const ConvolutionPlan& plan = plans.plan(kGradWeight);
  CHECK(clock.seen.size() == 12);
  CHECK(clock.calls == 2 + 5);
  CHECK(plan.choice() == clock.seen[3]);
  REQUIRE(plans.choices().find(kGradWeight) != nullptr);
  CHECK(plans.choices().find(kGradWeight)->milliseconds == 1.0);
  CHECK(&plans.plan(kGradWeight) == &plan);
  CHECK(clock.seen.size() == 12);
}

TEST_CASE("an engine that fails on the device is passed over") {
  FakeClock clock;
  auto plans = plans_for("h100", {.candidates = 3}, clock.timer([](std::size_t engine, int) {
    if (engine != 2) throw DeviceError("planted");
    return 1.0;
  }));
  const EngineChoice chosen = plans.plan(kGradWeight).choice();
  REQUIRE(clock.seen.size() == 3);
  CHECK(chosen == clock.seen[2]);
}

TEST_CASE("where all engines fail, the error says which and why, and asking again does not try again") {
  int calls = 0;
  auto plans = plans_for("h100", {.candidates = 3}, [&](const ConvolutionPlan&) -> double {
    ++calls;
    throw DeviceError("planted refusal");
  });
  CHECK(plans.find(kGradWeight) == nullptr);
  try {
    plans.plan(kGradWeight);
    FAIL("a plan from nothing");
  } catch (const DeviceError& error) {
    const std::string what = error.what();
    CHECK(what.find("grad_weight bf16->bf16 x (256,28,28,128) w (128,3,3,128) stride 1 pad 1 deterministic") !=
          std::string::npos);
    CHECK(what.find("planted refusal") != std::string::npos);
    CHECK(what.find("NVIDIA H100") != std::string::npos);
  }
  CHECK(calls == 3);
}

TEST_CASE("a timed choice from another run is taken without the clock; an untimed one is not, where there is a clock") {
  FakeClock clock;
  auto first = plans_for("h100", {}, clock.timer([](std::size_t engine, int) { return engine == 5 ? 1.0 : 2.0; }));
  const EngineChoice chosen = first.plan(kGradWeight).choice();
  CHECK(chosen == clock.seen[5]);

  auto second = plans_for("h100", {}, [](const ConvolutionPlan&) -> double { throw Error("timed again"); });
  CHECK(second.choices().take(first.choices().text()) == "");
  CHECK(second.plan(kGradWeight).choice() == chosen);

  auto untimed = plans_for("h100");
  untimed.plan(kGradWeight);
  auto third = plans_for("h100", {}, [](const ConvolutionPlan&) -> double { throw Error("timed"); });
  CHECK(third.choices().take(untimed.choices().text()) == "");
  CHECK_THROWS_WITH_AS(third.plan(kGradWeight), "timed", Error);
}

TEST_CASE("a choice that is too large, not allowed or unknown to cuDNN is made anew") {
  auto large = plans_for("h100");
  const auto candidates = large.candidates(kGradWeight, 100);
  const auto hungry = std::ranges::max_element(candidates, {}, &PlanCandidate::workspace);
  REQUIRE(hungry->workspace > 1000);
  for (const EngineChoice& choice : {hungry->choice, EngineChoice{.engine = 100000, .knobs = {}},
                                     EngineChoice{.engine = hungry->choice.engine, .knobs = {{2, 100000}}}}) {
    auto plans = plans_for("h100", {.workspace_cap = 1000});
    plans.choices().remember(kGradWeight, {.engine = choice, .milliseconds = 1});
    CHECK(plans.plan(kGradWeight).workspace_bytes() <= 1000);
    CHECK(plans.choices().find(kGradWeight)->engine == plans.plan(kGradWeight).choice());
  }

  ConvolutionKey key = key_of(ConvolutionDirection::grad_weight, Dtype::f32);
  key.deterministic = false;
  const auto any = large.candidates(key, 100);
  const auto random = std::ranges::find(any, false, [](const PlanCandidate& c) { return c.notes.deterministic; });
  REQUIRE(random != any.end());
  key.deterministic = true;
  large.choices().remember(key, {.engine = random->choice, .milliseconds = 1});
  CHECK(large.plan(key).notes().deterministic);
}

TEST_CASE("what cuDNN cannot do is refused with a reason") {
  auto plans = plans_for("h100");
  ConvolutionKey key = kGradWeight;
  key.result = Dtype::u8;
  CHECK_THROWS_AS(plans.find(key), DtypeError);
  key = kGradWeight;
  key.kh = 100;
  CHECK_THROWS_AS(plans.find(key), ShapeError);
  CHECK_THROWS_AS(plans_for("h100", {.candidates = 0}), ValueError);
}

TEST_CASE("keys follow the backend's call") {
  const ConvolutionKey key =
      make_key(ConvolutionDirection::grad_input, {2, 9, 8, 6}, {10, 3, 2, 3}, Dtype::f32, Dtype::f32,
               {.stride = 2, .pad = 1, .dilation = 3, .groups = 2, .accumulate = true}, {.tf32 = true, .deterministic = false});
  CHECK(key == ConvolutionKey{ConvolutionDirection::grad_input, 2, 9, 8, 6, 10, 3, 2, 2, 1, 3, 2, Dtype::f32, Dtype::f32, true,
                              true, false});
  CHECK(output_shape(key) == Shape{2, 3, 4, 10});
  CHECK_FALSE(
      make_key(ConvolutionDirection::forward, {1, 1, 1, 1}, {1, 1, 1, 1}, Dtype::bf16, Dtype::bf16, {}, {.tf32 = true}).tf32);
}
