#include <nlohmann/json.hpp>

#include "cli/program.h"

using namespace mec;
using namespace mec::test;

TEST_CASE("mec bench step prints the keys of the PyTorch comparison") {
  const TempFolder folder;
  const ProgramResult result =
      run_program(folder, {"bench",       "step", "--arch",  "resnet10", "--width",  "4",  "--channels",    "1",
                           "--size",      "8",    "--batch", "8",        "--dim",    "16", "--pred-hidden", "8",
                           "--precision", "bf16", "--steps", "1",        "--warmup", "1"});
  REQUIRE_MESSAGE(result.status == 0, result.err);
  const auto out = nlohmann::json::parse(result.out);
  for (const char* key : {"peer", "arch", "stem", "width", "size", "batch", "dim", "dtype", "channels_last", "compile",
                          "device", "step_ms", "min_ms", "images_per_s", "peak_mib", "warmup_s", "mu", "loss"}) {
    CAPTURE(key);
    CHECK(out.contains(key));
  }
  CHECK(out.at("mu") == 12);
  CHECK(out.at("loss").get<double>() < 1);
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

TEST_CASE("mec info tells what the build has") {
  const TempFolder folder;
  const ProgramResult result = run_program(folder, {"info"});
  CHECK(result.status == 0);
  CHECK(result.out.find("oneDNN: ") != std::string::npos);
  CHECK(result.out.find("threads") != std::string::npos);
  check_fails(folder, 1, "not the folder of a run", {"info", folder.path().string()});
}
