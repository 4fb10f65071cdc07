// What goes to a GPU and comes back while it computes.
#include <doctest/doctest.h>

#include "gpu/scale.h"
#include "mec/tensor/backend.h"
#include "mec/tensor/devices.h"
#include "mec/tensor/ops.h"

using namespace mec;
using namespace mec::test;

namespace {

// Keeps the device busy for some time.
void work(const Device& device) {
  const std::int64_t n = on_software() ? 32 : 2048;
  Tensor a = random({n, n}, Dtype::f32, device, {.seed = 1});
  for (int i = 0; i < 20; ++i) a = scale(matmul(a, a), 1e-4);
}

}  // namespace

TEST_CASE("cuda: what is uploaded may be overwritten at once, whatever its size, and arrives after the work before it") {
  const Device device = make_cuda_device();
  for (const std::int64_t elements :
       {std::int64_t{3}, std::int64_t{100'000}, std::int64_t{5'000'000}, std::int64_t{200'000'000}}) {
    if (on_software() && elements > 5'000'000) continue;
    CAPTURE(elements);
    const Tensor x({elements}, Dtype::f32, device);
    std::vector<float> host(static_cast<std::size_t>(elements));
    for (std::size_t i = 0; i < host.size(); ++i) host[i] = static_cast<float>(i % 1013);
    work(device);
    x.fill(-1);
    device->upload(host.data(), x);
    std::ranges::fill(host, -2.0F);
    const Tensor y = add(x, x);
    y.download(host.data());
    std::size_t wrong = 0;
    for (std::size_t i = 0; i < host.size(); ++i) wrong += host[i] != 2 * static_cast<float>(i % 1013);
    CHECK(wrong == 0);
  }
}

TEST_CASE("cuda: a late read has the values of its time") {
  const Device device = make_cuda_device();
  const Tensor x({4}, Dtype::f32, device);
  std::vector<std::unique_ptr<HostCopy>> copies;
  for (int step = 0; step < 5; ++step) {
    work(device);
    x.fill(step);
    copies.push_back(device->read_later(x));
  }
  x.fill(-1);
  for (std::size_t step = 0; step < 5; ++step) {
    std::array<float, 4> host{};
    copies[step]->wait(host.data());
    for (const float value : host) CHECK(value == static_cast<float>(step));
  }
}

TEST_CASE("cuda: within a capture, memory cannot grow and the host cannot look in; afterwards all is as before") {
  const Device device = make_cuda_device();
  const Tensor x = Tensor::full({3}, 1, Dtype::f32, device);
  {
    const auto capture = device->make_capture();
    capture->begin();
    CHECK_THROWS_WITH_AS(x.to_vector<float>(), doctest::Contains("reads on the host (3)"), ValueError);
    CHECK_THROWS_WITH_AS(Tensor::from<float>({1, 2}, {2}, device), doctest::Contains("copies from the host (2)"), ValueError);
    CHECK_THROWS_AS(Tensor({1 << 28}, Dtype::f32, device), MemoryError);
    add_into(x, x);
  }
  CHECK(x.to_vector<float>() == std::vector<float>(3, 1));
  const auto capture = device->make_capture();
  capture->begin();
  add_into(x, x);
  capture->end();
  CHECK(x.to_vector<float>() == std::vector<float>(3, 1));
  for (int i = 0; i < 3; ++i) capture->replay();
  CHECK(x.to_vector<float>() == std::vector<float>(3, 8));
}

TEST_CASE("cuda: what a recording writes to goes to nobody else while it lives") {
  const Device device = make_cuda_device();
  const Tensor x = Tensor::full({1000}, 1, Dtype::f32, device);
  static_cast<void>(scale(scale(x, 2), 2));  // memory for what is captured
  const auto capture = device->make_capture();
  capture->begin();
  add_into(scale(scale(x, 2), 2), x);
  capture->end();
  std::vector<Tensor> others;
  for (int i = 0; i < 100; ++i) others.push_back(Tensor::full({1000}, 5, Dtype::f32, device));
  for (int i = 0; i < 3; ++i) capture->replay();
  CHECK(x.to_vector<float>() == std::vector<float>(1000, 125));
  for (const Tensor& other : others) CHECK(other.to_vector<float>() == std::vector<float>(1000, 5));
}
