#include <doctest/doctest.h>

#include <chrono>
#include <map>
#include <set>
#include <sstream>
#include <thread>

#include <nlohmann/json.hpp>

#include "mec/cli/bench/convolution_floor.h"
#include "mec/tensor/backends/cpu/threads.h"
#include "mec/tensor/devices.h"
#include "mec/tensor/ops.h"
#include "support/program.h"

using namespace mec;
using namespace mec::test;

namespace {

// Every kernel takes two milliseconds or more.
class SlowBackend : public ForwardingBackend {
 public:
  using ForwardingBackend::ForwardingBackend;

 protected:
  void on_call(KernelCall call) override {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    call.run();
  }
};

}  // namespace

TEST_CASE("mec bench step prints the keys of the PyTorch comparison") {
  const TempFolder folder;
  const ProgramResult result =
      run_program(folder, {"bench",       "step", "--arch",  "resnet10", "--width",  "4",  "--channels",    "1",
                           "--size",      "8",    "--batch", "8",        "--dim",    "16", "--pred-hidden", "8",
                           "--precision", "bf16", "--steps", "1",        "--warmup", "1"});
  REQUIRE_MESSAGE(result.status == 0, result.err);
  const auto out = nlohmann::json::parse(result.out);
  std::set<std::string> keys;  // their values: options_of_bench.cpp
  for (const auto& [key, value] : out.items()) keys.insert(key);
  CHECK(keys == std::set<std::string>{"peer",   "method",  "arch",          "stem",          "width",     "size",
                                      "batch",  "dim",     "dtype",         "channels_last", "compile",   "captured",
                                      "device", "step_ms", "min_ms",        "images_per_s",  "peak_mib",  "warmup_s",
                                      "mu",     "loss",    "deterministic", "accumulate",    "processes", "collectives"});
  CHECK(out.at("peak_mib") > 0);
  check_fails(folder, 1, "resnet19", {"bench", "step", "--arch", "resnet19"});
  check_fails(folder, 2, "--steps", {"bench", "step", "--steps", "0"});
}

TEST_CASE("mec bench step --profile accounts for the kernels of every part of a step") {
  const TempFolder folder;
  const ProgramResult result = run_program(
      folder, {"bench", "step", "--arch",        "resnet10", "--width", "4", "--channels", "1", "--size",   "8", "--batch", "8",
               "--dim", "16",   "--pred-hidden", "8",        "--steps", "2", "--warmup",   "0", "--profile"});
  REQUIRE_MESSAGE(result.status == 0, result.err);
  for (const char* line : {"\nteacher    conv2d ", "\nstudent    conv2d ", "\nbackward   conv2d_grad_weight ",
                           "\nobjective  matmul ", "\nupdate     sgd_update ", "tensor memory at its highest: "}) {
    CAPTURE(line);
    CHECK(result.out.find(line) != std::string::npos);
  }
}

TEST_CASE("mec bench step --floor times every convolution of the step alone") {
  const TempFolder folder;
  std::vector<std::string> call{"bench",   "step", "--arch",   "resnet10", "--width", "4",  "--channels",    "1",
                                "--size",  "8",    "--batch",  "8",        "--dim",   "16", "--pred-hidden", "8",
                                "--steps", "3",    "--warmup", "0"};
  CHECK(!nlohmann::json::parse(run_program(folder, call).out).contains("floor_ms"));
  call.insert(call.end(), {"--floor", "--floor-calls", "1"});
  for (const char* precision : {"f32", "bf16"}) {
    CAPTURE(precision);
    auto arguments = call;
    arguments.insert(arguments.end(), {"--precision", precision});
    const ProgramResult result = run_program(folder, arguments);
    REQUIRE_MESSAGE(result.status == 0, result.err);
    const auto out = nlohmann::json::parse(result.out.substr(0, result.out.find('\n')));
    // 12 in a network: the stem, two in each of four blocks, three on the way past a block. Two
    // views through teacher and student; images need no gradient.
    CHECK(out.at("floor_calls") == nlohmann::json{{"conv2d", 48}, {"conv2d_grad_input", 22}, {"conv2d_grad_weight", 24}});
    CHECK(out.at("floor_kinds") > 30);
    CHECK(out.at("floor_kinds") < 94);
    const double floor = out.at("floor_ms"), step = out.at("step_ms");
    CHECK(floor > 0);
    CHECK(out.at("floor_share").get<double>() == doctest::Approx(floor / step).epsilon(0.05));
    for (const char* part :
         {"\nfloor: ", " % of the floor rate\n", "\nalone      conv2d ", "\nalone      conv2d_grad_weight "}) {
      CAPTURE(part);
      CHECK(result.out.find(part) != std::string::npos);
    }
    CHECK(result.out.find("matmul") == std::string::npos);
  }
  check_fails(folder, 2, "--floor-calls", {"bench", "step", "--floor", "--floor-calls", "0"});
  check_fails(folder, 2, "--floor-calls", {"bench", "step", "--floor-calls", "2"});
}

TEST_CASE("a floor multiplies what one call takes by how often it occurs, and refuses nonsense") {
  const auto counter = std::make_shared<ConvolutionCounter>(make_reference_device());
  const Device device = counter;
  const Tensor x = Tensor::full({2, 5, 4, 6}, 1, Dtype::f32, device), w = Tensor::full({8, 3, 3, 6}, 1, Dtype::f32, device);
  const Tensor y = conv2d(x, w, {.pad = 1});  // before start()
  counter->start();
  for (int call = 0; call < 3; ++call) conv2d(x, w, {.pad = 1});
  counter->stop();
  conv2d(x, w, {.pad = 1});
  cli::ConvolutionFloor floor(counter->counted(), std::make_shared<SlowBackend>(make_reference_device()), 2);
  CHECK(floor.kinds() == 1);
  CHECK(floor.calls("conv2d") == 3);
  CHECK(floor.calls("conv2d_grad_input") == 0);
  CHECK_THROWS_WITH_AS(floor.seconds(), doctest::Contains("call run_round() first"), ValueError);
  floor.run_round();
  floor.run_round();
  REQUIRE(floor.profiles().size() == 1);
  const KernelProfile profile = floor.profiles()[0];
  CHECK(profile.calls == 3);
  CHECK(profile.seconds >= 3 * 2e-3);
  CHECK(floor.seconds() == profile.seconds);
  CHECK(profile.flops == 3.0 * 2 * (2 * 5 * 4 * 8) * (3 * 3 * 6));
  CHECK_THROWS_WITH_AS(cli::ConvolutionFloor({}, device, 1), doctest::Contains("floor: the step ran no convolution"),
                       ValueError);
  CHECK_THROWS_WITH_AS(cli::ConvolutionFloor(counter->counted(), device, 0), doctest::Contains("was to be timed 0 times"),
                       ValueError);
}

TEST_CASE("mec bench ops measures every family of kernels") {
  const TempFolder folder;
  const ProgramResult result = run_program(folder, {"bench", "ops", "--batch", "2", "--calls", "1", "--threads", "1"});
  REQUIRE_MESSAGE(result.status == 0, result.err);
  CHECK(result.out.find("measured peaks: ") == 0);
  for (const char* kernel : {"conv2d", "conv2d_grad_input", "conv2d_grad_weight", "batch_norm_statistics", "batch_norm_apply",
                             "batch_norm_grad_reduce", "batch_norm_grad_apply", "matmul", "power_traces", "lu", "cholesky",
                             "max_pool2d", "sgd_update", "ema_update"}) {
    CAPTURE(kernel);
    CHECK(result.out.find(concat("\n", kernel, " ")) != std::string::npos);
  }
}

TEST_CASE("mec bench ops --compare puts our own convolutions and products beside the libraries'") {
  const TempFolder folder;
  check_fails(folder, 2, "leave out --device and --kernels", {"bench", "ops", "--compare", "--kernels", "own"});
  const std::vector<std::string> command{"bench", "ops", "--compare", "--batch", "2", "--calls", "1", "--threads", "1"};
  if (!has_cpu_libraries()) return check_fails(folder, 1, "this build has neither oneDNN nor OpenBLAS", command);
  const ProgramResult result = run_program(folder, command);
  REQUIRE_MESSAGE(result.status == 0, result.err);
  std::istringstream lines(result.out);
  std::string line;
  std::getline(lines, line);
  CHECK(line.starts_with("kernel "));
  std::map<std::string, int> rows;
  while (std::getline(lines, line)) {
    std::istringstream words(line);
    std::string kernel;
    double own = 0, libraries = 0, ratio = 0;
    words >> kernel >> own >> libraries >> ratio;
    ++rows[kernel];
    CHECK(own > 0);
    CHECK(ratio == doctest::Approx(libraries / own).epsilon(0.1));  // of rounded times
  }
  // The layers of ResNet-18; the image's gradient is left out.
  CHECK(rows["conv2d"] == 7);
  CHECK(rows["conv2d_grad_input"] == 6);
  CHECK(rows["conv2d_grad_weight"] == 7);
  CHECK(rows["matmul"] >= 2);
  CHECK(rows.count("relu") == 0);
}

TEST_CASE("mec info tells what the build has") {
  const TempFolder folder;
  const ProgramResult result = run_program(folder, {"info"});
  CHECK(result.status == 0);
  CHECK(result.out.find("oneDNN: ") != std::string::npos);
  CHECK(result.out.find(concat(" ", cpu::choose_threads(0).count, " thread")) != std::string::npos);
  check_fails(folder, 1, "not the folder of a run", {"info", folder.path().string()});
}
