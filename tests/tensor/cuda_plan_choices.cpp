// The key of a plan tells all its fields apart, and choices survive a file: this device's alone.
#include "mec/tensor/backends/cuda/cudnn/plan_choices.h"

#include <doctest/doctest.h>

#include <functional>
#include <nlohmann/json.hpp>
#include <set>

#include "tensor/io_files.h"

using namespace mec;
using namespace mec::test;
using namespace mec::cuda;

namespace {

const PlanHost kHost{.cudnn = 91900, .device = "NVIDIA H200", .multiprocessors = 132};

const ConvolutionKey kKey{.direction = ConvolutionDirection::grad_weight,
                          .n = 256,
                          .h = 56,
                          .w = 57,
                          .c = 64,
                          .o = 128,
                          .kh = 3,
                          .kw = 5,
                          .stride = 2,
                          .pad = 1,
                          .dilation = 3,
                          .groups = 4,
                          .operands = Dtype::bf16,
                          .result = Dtype::f32};

// kKey with one field changed, each field in its turn.
std::vector<ConvolutionKey> neighbours() {
  const std::vector<std::function<void(ConvolutionKey&)>> changes{
      [](auto& k) { k.direction = ConvolutionDirection::grad_input; },
      [](auto& k) { ++k.n; },
      [](auto& k) { ++k.h; },
      [](auto& k) { ++k.w; },
      [](auto& k) { ++k.c; },
      [](auto& k) { ++k.o; },
      [](auto& k) { ++k.kh; },
      [](auto& k) { ++k.kw; },
      [](auto& k) { ++k.stride; },
      [](auto& k) { ++k.pad; },
      [](auto& k) { ++k.dilation; },
      [](auto& k) { ++k.groups; },
      [](auto& k) { k.operands = Dtype::f64; },
      [](auto& k) { k.result = Dtype::bf16; },
      [](auto& k) { k.accumulate = !k.accumulate; },
      [](auto& k) { k.tf32 = !k.tf32; },
      [](auto& k) { k.deterministic = !k.deterministic; }};
  std::vector<ConvolutionKey> keys(changes.size(), kKey);
  for (std::size_t i = 0; i < keys.size(); ++i) changes[i](keys[i]);
  return keys;
}

PlanChoice choice(std::int64_t engine, double milliseconds = -1) {
  return {.engine = {.engine = engine, .knobs = {{2, 12}, {13, -1}}}, .milliseconds = milliseconds};
}

PlanChoices some_choices() {
  PlanChoices choices(kHost);
  choices.remember(kKey, choice(1000, 0.1));
  std::int64_t engine = 0;
  for (const ConvolutionKey& key : neighbours()) choices.remember(key, choice(engine++));
  return choices;
}

// What some_choices() says, with one entry of the head changed.
std::string altered(const char* field, const nlohmann::json& value) {
  auto file = nlohmann::json::parse(some_choices().text());
  file[field] = value;
  return file.dump();
}

}  // namespace

TEST_CASE("keys that differ in one field, whichever, are different keys") {
  const auto keys = neighbours();
  std::set<std::size_t> hashes{ConvolutionKeyHash{}(kKey)};
  for (const ConvolutionKey& key : keys) {
    CHECK(key != kKey);
    hashes.insert(ConvolutionKeyHash{}(key));
  }
  CHECK(hashes.size() == keys.size() + 1);  // a hash may collide, but not among so few
  std::size_t fields = 0;
  visit_fields(kKey, [&](const char*, auto) { ++fields; });
  CHECK(fields == keys.size());
}

TEST_CASE("choices come back from a file as they were, each under its own key") {
  const TempFolder folder;
  const PlanChoices choices = some_choices();
  choices.save(folder / "plans.json");
  PlanChoices read(kHost);
  CHECK(read.load(folder / "plans.json") == "");
  CHECK(read.size() == neighbours().size() + 1);
  std::int64_t engine = 0;
  for (const ConvolutionKey& key : neighbours()) {
    const PlanChoice* found = read.find(key);
    REQUIRE(found != nullptr);
    CHECK(found->engine == choice(engine++).engine);
    CHECK_FALSE(found->timed());
  }
  REQUIRE(read.find(kKey) != nullptr);
  CHECK(read.find(kKey)->engine.engine == 1000);
  CHECK(read.find(kKey)->milliseconds == 0.1);
  CHECK(read.text() == choices.text());
}

TEST_CASE("a file of another cuDNN, device or size of device is not used, and the reason is told") {
  PlanChoices choices(kHost);
  const auto refusal = [&](const char* field, const nlohmann::json& value) { return choices.take(altered(field, value)); };
  CHECK(refusal("cudnn", 91900) == "");
  choices = PlanChoices(kHost);
  CHECK(refusal("cudnn", 91901) ==
        "it was made by cuDNN 91901 on NVIDIA H200 with 132 multiprocessors, but here is cuDNN 91900 on NVIDIA H200 with 132 "
        "multiprocessors");
  CHECK(refusal("device", "NVIDIA H100").find("on NVIDIA H100 with") != std::string::npos);
  CHECK(refusal("multiprocessors", 66).find("with 66 multi") != std::string::npos);
  CHECK(refusal("format", "shopping list").find("its format is \"shopping list\"") != std::string::npos);
  CHECK(choices.size() == 0);
}

TEST_CASE("a damaged file is not used, whatever is wrong with it, and no file is no complaint") {
  const TempFolder folder;
  PlanChoices choices(kHost);
  CHECK(choices.load(folder / "none.json") == "");
  const std::string whole = some_choices().text();
  for (std::size_t length = 0; length + 2 < whole.size(); length += 7) {
    CHECK(choices.take(whole.substr(0, length)).find("it is damaged") == 0);
  }
  auto file = nlohmann::json::parse(whole);
  file["plans"][3]["key"].erase("stride");
  CHECK(choices.take(file.dump()).find("it is damaged") == 0);
  file = nlohmann::json::parse(whole);
  file["plans"][3]["key"]["direction"] = "sideways";
  CHECK(choices.take(file.dump()) == "it is damaged: 'sideways' is not known");
  // Writing such a list into a message would go down by recursion.
  const std::string deep = concat("{\"format\": ", std::string(1'000'000, '['), std::string(1'000'000, ']'), "}");
  CHECK(choices.take(deep) == "it is damaged: it is nested more than 100 deep");
  CHECK(choices.size() == 0);
  write_bytes(folder / "plans.json", "{}");
  const std::string reason = choices.load(folder / "plans.json");
  CHECK(reason.find((folder / "plans.json").string()) != std::string::npos);
  CHECK(reason.find("are not used") != std::string::npos);
}

TEST_CASE("a file that cannot be written is an error") {
  const TempFolder folder;
  CHECK_THROWS_AS(some_choices().save(folder / "missing" / "plans.json"), IoError);
}

TEST_CASE("choices made with another rule for TF32 or for engines that change from run to run are told") {
  PlanChoices choices(kHost);
  CHECK(choices.disagreement({}).empty());
  ConvolutionKey key = kKey;
  key.operands = key.result = Dtype::f32;
  key.tf32 = false;
  key.deterministic = true;
  choices.remember(key, choice(1));
  CHECK(choices.disagreement({.tf32 = false, .deterministic = true}).empty());
  CHECK(choices.disagreement({.tf32 = false, .deterministic = false}) ==
        "engines were chosen without --tf32 and without --nondeterministic, but here it is without --tf32 and with "
        "--nondeterministic: results would have other bits");
  CHECK(choices.disagreement({.tf32 = true, .deterministic = true}).find("but here it is with --tf32") != std::string::npos);
  PlanChoices rounded(kHost);
  key.operands = key.result = Dtype::bf16;  // of which TF32 says nothing
  rounded.remember(key, choice(1));
  CHECK(rounded.disagreement({.tf32 = true, .deterministic = true}).empty());
  CHECK_FALSE(rounded.disagreement({.tf32 = true, .deterministic = false}).empty());
}
