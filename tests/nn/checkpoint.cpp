// Named tensors in a file: to the bit and back, or refused as a whole.
#include "mec/nn/files/checkpoint.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "mec/nn/convolution.h"
#include "mec/nn/optim/sgd.h"
#include "mec/tensor/devices.h"
#include "mec/tensor/ops.h"
#include "tensor/io_files.h"

using namespace mec;
using namespace mec::test;

namespace {

struct Fixture {
  TempFolder folder;
  std::filesystem::path path = folder / "state.safetensors";
  Device device = make_reference_device();

  // A weight as a device with eight image channels stores it, three of them in files; and values
  // that arithmetic would not keep.
  State make(double start) const {
    const Tensor weight = Tensor::zeros({2, 3, 3, 8}, Dtype::f32, device);
    std::vector<float> odd{-0.0F, std::numeric_limits<float>::denorm_min(), static_cast<float>(start), 1e-30F};
    State state{{"weight", weight, 3}, {"odd", Tensor::from(odd, {4}, device)}};
    for (std::int64_t pixel = 0; pixel < 18; ++pixel) {
      for (std::int64_t c = 0; c < 3; ++c) weight.segment(8 * pixel + c, {1}).fill(start + static_cast<double>(10 * pixel + c));
    }
    return state;
  }
};

std::vector<std::vector<float>> values(const State& state) {
  std::vector<std::vector<float>> all;
  for (const StateTensor& entry : state) all.push_back(entry.tensor.to_vector<float>());
  return all;
}

}  // namespace

TEST_CASE_FIXTURE(Fixture, "a state comes back to the bit, its weights in PyTorch's form in between") {
  const State saved = make(0.5), other = make(7);
  save_state(path, saved, {{"step", "3"}});
  const SafetensorsFile file = load_state(path);
  CHECK(file.metadata.at("step") == "3");
  REQUIRE(file.find("weight") != nullptr);
  CHECK(file.find("weight")->shape() == Shape{2, 3, 3, 3});
  // O, I, H, W: the next pixel of the same channel.
  CHECK(file.find("weight")->to_vector<float>()[1] == 10.5F);
  restore_state(file, path.string(), other);
  CHECK(values(other) == values(saved));
  CHECK(std::signbit(values(other)[1][0]));
}

TEST_CASE_FIXTURE(Fixture, "an optimiser's state has the names of its parameters") {
  Conv2d module({.in = 3, .out = 2, .kernel = 1}, device);
  fill_random(module.weight.value.data(), {.seed = 1});
  ParameterTable table(module);
  const Sgd optimizer(table);
  const State state = state_of(optimizer, table, module);
  REQUIRE(state.size() == parameters_of(module).size());
  CHECK(state.front().name == "momentum.weight");
  CHECK(state.front().tensor.shape() == module.weight.value.shape());
  CHECK(state.front().tensor.same_memory(optimizer.state().front().tensor.segment(0, state.front().tensor.shape())));
}

TEST_CASE_FIXTURE(Fixture, "a file that is cut short or has one other byte is refused") {
  save_state(path, make(0.5), {{"step", "3"}});
  const std::string whole = read_bytes(path);
  const State target = make(7);
  const auto before = values(target);
  const auto read = [&] { restore_state(load_state(path), path.string(), target); };
  check_every_truncation(path, whole, read);
  for (std::size_t at = 0; at < whole.size(); ++at) {
    CAPTURE(at);
    for (const char flip : {'\x01', '\x80'}) {
      std::string damaged = whole;
      damaged[at] = static_cast<char>(damaged[at] ^ flip);
      write_bytes(path, damaged);
      CHECK_THROWS_AS(read(), IoError);
    }
  }
  write_bytes(path, whole + '\0');
  CHECK_THROWS_AS(read(), IoError);
  CHECK(values(target) == before);
}

TEST_CASE_FIXTURE(Fixture, "the damaged tensor is named, whatever byte of its values is another") {
  save_state(path, make(0.5), {{"step", "3"}});
  const std::string whole = read_bytes(path);
  const SafetensorsReader reader(path);
  for (const SafetensorsEntry& entry : reader.entries()) {
    for (std::uint64_t at = entry.begin; at < entry.end; at += 5) {
      std::string damaged = whole;
      damaged[whole.size() - reader.entries().back().end + at] ^= '\x40';
      write_bytes(path, damaged);
      const std::string why = concat(path.string(), ": the checkpoint is damaged: tensor '", entry.name, "' is not");
      CHECK_THROWS_WITH_AS(load_state(path), doctest::Contains(why.c_str()), IoError);
    }
  }
  std::string damaged = whole;
  damaged[whole.find("\"step\":\"3\"") + 8] = '4';
  write_bytes(path, damaged);
  CHECK_THROWS_WITH_AS(load_state(path), doctest::Contains("damaged: a name or its metadata is not"), IoError);
}

TEST_CASE_FIXTURE(Fixture, "values that no network can have are refused by name") {
  const auto refused = [&](const std::string& name, double value, const std::string& why) {
    State state = make(0.5);
    state[1].name = name;
    state[1].tensor.rows(2, 3).fill(value);
    save_state(path, state, {});
    CHECK_THROWS_WITH_AS(load_state(path),
                         concat(path.string(), ": no network has such a weight: ", name, "[2] is ", why).c_str(), IoError);
  };
  const double infinity = std::numeric_limits<double>::infinity();
  refused("online.bn1.weight", std::nan(""), "nan, but weights are finite");
  refused("momentum.bn1.weight", -infinity, "-inf, but weights are finite");
  refused("teacher.bn1.running_var", -1, "-1, but it is never negative");
  refused("second_moment.bn1.weight", -1, "-1, but it is never negative");
}

TEST_CASE_FIXTURE(Fixture, "a file of other tensors is refused by name, and nothing is changed") {
  const auto refused = [&](const State& in_file, const std::string& why) {
    const State target = make(7);
    const auto before = values(target);
    save_state(path, in_file, {});
    try {
      restore_state(load_state(path), "state.safetensors", target);
      FAIL("accepted: " << why);
    } catch (const IoError& error) {
      const std::string message = error.what();
      CAPTURE(message);
      CHECK(message.starts_with("state.safetensors: the checkpoint does not fit; "));
      CHECK(message.find(why) != std::string::npos);
    }
    CHECK(values(target) == before);
  };
  State state = make(0.5);
  state[1].name = "even";
  refused(state, "odd is missing; even is unknown here");
  state = make(0.5);
  state[1].tensor = Tensor::zeros({5}, Dtype::f32, device);
  refused(state, "odd is f32 (5) in the file, but f32 (4) here");
  state[1].tensor = Tensor::zeros({4}, Dtype::i32, device);
  refused(state, "odd is i32 (4) in the file, but f32 (4) here");
  state = make(0.5);
  for (int i = 0; i < 9; ++i) state.push_back({concat("extra", i), Tensor::zeros({1}, Dtype::f32, device)});
  refused(state, "extra2 is unknown here; and 6 more");
}

TEST_CASE_FIXTURE(Fixture, "a safetensors file that is no checkpoint is refused") {
  write_safetensors(path, {.metadata = {}, .tensors = {{"weight", Tensor::zeros({2}, Dtype::f32, device)}}});
  CHECK_THROWS_WITH_AS(load_state(path), (path.string() + ": not a checkpoint: its metadata has no 'mec_checkpoint'").c_str(),
                       IoError);
  CHECK_THROWS_AS(load_state(folder / "nowhere"), IoError);
}
