// Plans on a device, and from what it says of itself.
#include <doctest/doctest.h>

#include <cstdlib>

#include "mec/tensor/backends/cuda/cudnn/convolution_plans.h"
#include "mec/tensor/devices.h"
#include "mec/tensor/ops.h"
#include "tensor/io_files.h"

using namespace mec;
using namespace mec::test;

// MEC_CUDNN_DEVICE names a file for these properties, with which tests/cudnn/ plans where there is
// no such device.
TEST_CASE("cuda: a convolution gets the same engine from a device and from its description") {
  const cuda::DeviceProperties device = cuda::DeviceProperties::of_device(0);
  const std::string text = device.json();
  if (const char* path = std::getenv("MEC_CUDNN_DEVICE")) write_bytes(path, text);
  cuda::ConvolutionPlans here(cuda::DeviceProperties::of_device(0), {}), described(cuda::DeviceProperties::from_json(text), {});
  for (const Dtype dtype : {Dtype::f32, Dtype::bf16}) {
    for (const auto direction : {cuda::ConvolutionDirection::forward, cuda::ConvolutionDirection::grad_input,
                                 cuda::ConvolutionDirection::grad_weight}) {
      const cuda::ConvolutionKey key =
          cuda::make_key(direction, {32, 28, 28, 64}, {64, 3, 3, 64}, dtype, dtype, {.pad = 1}, {});
      CAPTURE(key);
      here.plan(key);
      described.plan(key);
      CHECK(here.choices().find(key)->engine == described.choices().find(key)->engine);
    }
  }
}

TEST_CASE("cuda: engines are kept in the plan file, taken from it, and a file of another device is noted") {
  const TempFolder folder;
  const std::string file = (folder / "plans.json").string();
  std::string note;
  const auto run = [&] {
    const Device device = make_cuda_device({.plan_file = file, .note = [&](const std::string& text) { note = text; }});
    return conv2d(random({4, 8, 8, 8}, Dtype::f32, device, {.seed = 1}), random({16, 3, 3, 8}, Dtype::f32, device, {.seed = 2}),
                  {.pad = 1})
        .to_vector<float>();
  };
  const auto first = run();
  const std::string plans = read_bytes(file);
  CHECK(plans.find("\"forward\"") != std::string::npos);
  CHECK(run() == first);
  CHECK(read_bytes(file) == plans);
  CHECK(note.empty());
  write_bytes(file, "{}");
  CHECK(run() == first);
  CHECK(note.find("are not used") != std::string::npos);
  CHECK(read_bytes(file) == plans);
}
