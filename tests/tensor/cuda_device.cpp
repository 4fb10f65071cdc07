// What of the GPU backend can be shown without a GPU: why there is none, how uploads are staged,
// how row-major products are put to a column-major library, and where memory starts.
#include <doctest/doctest.h>

#include <cstring>
#include <deque>
#include <fstream>
#include <functional>

#include "mec/tensor/backend.h"
#include "mec/tensor/backends/cuda/column_major.h"
#include "mec/tensor/backends/cuda/runtime/availability.h"
#include "mec/tensor/backends/cuda/runtime/staging.h"
#include "mec/tensor/devices.h"
#include "mec/tensor/ops.h"

using namespace mec;
using cuda::StagingRing;

TEST_CASE("a machine without a usable GPU has one clear reason") {
  using cuda::why_no_device;
  CHECK(why_no_device({.driver = 0, .runtime = 13000}) == "no driver");
  CHECK(why_no_device({.driver = 12020, .runtime = 13000, .driver_too_old = true}) ==
        "driver too old (needs CUDA 13.0, has 12.2)");
  CHECK(why_no_device({.driver = 13010, .runtime = 13000}) == "no device");
  CHECK(why_no_device({.driver = 13000, .runtime = 12040, .failure = "initialization error"}) == "initialization error");
  CHECK(why_no_device({.driver = 13000, .runtime = 12040, .devices = 2}).empty());
  CHECK(cuda::version_text(12040) == "12.4");
}

TEST_CASE("device cuda is there, or says why not, in the words of describe_cuda") {
  const CudaDescription found = describe_cuda();
  CHECK(found.reason.empty() == !found.devices.empty());
  if (found.reason.empty()) return;
  const std::string expected = "device cuda: " + found.reason;
  CHECK_THROWS_WITH_AS(make_device("cuda"), expected.c_str(), DeviceError);
  CHECK_THROWS_WITH_AS(make_cuda_device({.device = 1}), expected.c_str(), DeviceError);
  CHECK_THROWS_WITH_AS(make_device("gpu"), doctest::Contains("cpu, cuda or reference"), ValueError);
}

namespace {

// A device that copies when it is told to, in the order in which copies were started.
struct SlowDevice {
  std::deque<std::function<void()>> queue;
  int waits = 0;
  void work(std::size_t copies) {
    for (; copies > 0 && !queue.empty(); --copies) {
      queue.front()();
      queue.pop_front();
    }
  }
};

class SlowBlock final : public StagingRing::Block {
 public:
  SlowBlock(SlowDevice& device, std::size_t bytes) : device_(device), memory_(bytes) {}
  std::byte* host() override {
    CHECK(pending_ == 0);  // or what is on its way is overwritten
    return memory_.data();
  }
  void send(void* to, std::size_t bytes) override {
    ++pending_;
    device_.queue.emplace_back([this, to, bytes] {
      std::memcpy(to, memory_.data(), bytes);
      --pending_;
    });
  }
  bool arrived() override { return pending_ == 0; }
  void wait() override {
    ++device_.waits;
    while (pending_ != 0) device_.work(1);
  }

 private:
  SlowDevice& device_;
  std::vector<std::byte> memory_;
  int pending_ = 0;
};

struct SlowSource final : StagingRing::Source {
  explicit SlowSource(SlowDevice& d) : device(d) {}
  std::unique_ptr<StagingRing::Block> make_block(std::size_t bytes) override {
    return std::make_unique<SlowBlock>(device, bytes);
  }
  SlowDevice& device;
};

}  // namespace

TEST_CASE("an upload's source may be overwritten at once, and nobody waits before all blocks are on their way") {
  SlowDevice device;
  StagingRing ring(std::make_unique<SlowSource>(device), 16, 4);
  std::vector<std::vector<char>> places(9, std::vector<char>(40, '-'));
  std::vector<char> source(40);
  for (std::size_t upload = 0; upload < places.size(); ++upload) {
    const std::size_t bytes = upload % 3 == 0 ? 40 : 7;  // three pieces or one
    for (std::size_t i = 0; i < bytes; ++i) source[i] = static_cast<char>('a' + (upload + i) % 26);
    ring.upload(source.data(), places[upload].data(), bytes);
    std::ranges::fill(source, '!');
    if (upload == 1) {
      CHECK(ring.blocks() == 4);
      CHECK(device.waits == 0);
      CHECK(places[0][0] == '-');
    }
    if (upload == 4) device.work(2);
  }
  CHECK(device.waits > 0);
  CHECK(ring.blocks() == 4);
  device.work(100);
  for (std::size_t upload = 0; upload < places.size(); ++upload) {
    for (std::size_t i = 0; i < 40; ++i) {
      const bool sent = i < (upload % 3 == 0 ? 40U : 7U);
      CHECK(places[upload][i] == (sent ? static_cast<char>('a' + (upload + i) % 26) : '-'));
    }
  }
}

TEST_CASE("uploads to a device that keeps up need one block, and nothing needs none") {
  SlowDevice device;
  StagingRing ring(std::make_unique<SlowSource>(device), 16, 4);
  char place = 0;
  ring.upload("", &place, 0);
  CHECK(ring.blocks() == 0);
  for (const char letter : {'x', 'y', 'z'}) {
    ring.upload(&letter, &place, 1);
    device.work(1);
    CHECK(place == letter);
  }
  CHECK(ring.blocks() == 1);
}

namespace {

// What a column-major library does with the product it is given: element (r,c) of a matrix lies at
// c·leading + r.
std::vector<double> library_product(const cuda::ColumnProduct& p, const std::vector<double>& first,
                                    const std::vector<double>& second, std::vector<double> result) {
  const auto at = [](const cuda::ColumnMatrix& matrix, std::int64_t r, std::int64_t c) {
    REQUIRE(r < matrix.rows);
    REQUIRE(c < matrix.columns);
    return static_cast<std::size_t>(c * matrix.leading + r);
  };
  for (std::int64_t i = 0; i < p.m; ++i) {
    for (std::int64_t j = 0; j < p.n; ++j) {
      double sum = 0;
      for (std::int64_t k = 0; k < p.k; ++k) {
        sum += first[p.trans_first ? at(p.first, k, i) : at(p.first, i, k)] *
               second[p.trans_second ? at(p.second, j, k) : at(p.second, k, j)];
      }
      double& out = result[at(p.result, i, j)];
      out = p.accumulate ? out + sum : sum;
    }
  }
  return result;
}

}  // namespace

TEST_CASE("a row-major product, put to a column-major library, is that product") {
  const Device device = make_reference_device();
  const auto values = [&](const Shape& shape, std::uint64_t seed) { return random(shape, Dtype::f64, device, {.seed = seed}); };
  for (const bool trans_a : {false, true}) {
    for (const bool trans_b : {false, true}) {
      for (const bool accumulate : {false, true}) {
        for (const auto& [m, n, k] : {std::array<std::int64_t, 3>{3, 5, 7}, {1, 4, 2}, {4, 1, 3}, {2, 3, 1}}) {
          const Tensor a = values(trans_a ? Shape{k, m} : Shape{m, k}, 1), b = values(trans_b ? Shape{n, k} : Shape{k, n}, 2);
          const Tensor c = values({m, n}, 3);
          const MatmulArgs args{.trans_a = trans_a, .trans_b = trans_b, .accumulate = accumulate};
          const auto actual = library_product(cuda::column_product(a, b, c, args), b.to_vector<double>(), a.to_vector<double>(),
                                              c.to_vector<double>());
          matmul_into(a, b, c, args);
          const auto expected = c.to_vector<double>();
          REQUIRE(!expected.empty());
          REQUIRE(actual.size() == expected.size());
          for (std::size_t i = 0; i < expected.size(); ++i) CHECK(actual[i] == doctest::Approx(expected[i]).epsilon(1e-12));
        }
      }
    }
  }
}

// They would take 260 MB and a tenth of a second from every program
// (tensor/backends/cuda/runtime/library.h).
TEST_CASE("who does not use a GPU has none of its libraries in memory") {
  static_cast<void>(describe_cuda());
  std::ifstream file("/proc/self/maps");
  std::size_t lines = 0;
  for (std::string line; std::getline(file, line); ++lines) {
    for (const char* library : {"libcublas", "libcudnn", "libcusolver", "libcudart"}) {
      CHECK_MESSAGE(line.find(library) == std::string::npos, line);
    }
  }
  CHECK(lines > 10);
}

TEST_CASE("blocks start at multiples of the granule that their memory asks for") {
  Upstream upstream = host_upstream();
  upstream.granule = 256;
  CachingAllocator allocator(upstream);
  CHECK(allocator.granule() == 256);
  for (const std::size_t bytes : {1U, 64U, 257U, 70000U}) {
    CHECK(reinterpret_cast<std::uintptr_t>(allocator.allocate(bytes)) % 256 == 0);
  }
  CHECK(allocator.stats().in_use == 256 + 256 + 512 + 70144);
}

TEST_CASE("reading later is reading now where the device does not run behind the host") {
  const Device device = make_cpu_device();
  const Tensor x = Tensor::full({3}, 2, Dtype::f32, device);
  CHECK(device->make_capture() == nullptr);
  const auto copy = device->read_later(x);
  x.fill(5);
  std::array<float, 3> host{};
  copy->wait(host.data());
  CHECK(host == std::array<float, 3>{2, 2, 2});
}
