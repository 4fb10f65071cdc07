// Transfers between host and GPU, over streams that run as late, or as early, as events allow.
#include "mec/tensor/backends/cuda/runtime/transfers.h"

#include <doctest/doctest.h>

#include <vector>

#include "mec/tensor/philox.h"
#include "software_gpu/streams.h"

using namespace mec;
using namespace mec::software_gpu;
using cuda::Transfers;

namespace {

using Bytes = std::vector<unsigned char>;

constexpr std::size_t kSmallest = 60'000, kLargest = std::size_t{30} << 20;

// Uploads, kernels and reads at random, of which the host knows what each should leave.
class RandomWork {
 public:
  explicit RandomWork(std::uint64_t seed) : random_(seed, 0, 0, Purpose::test), expected_(kLargest, 0) {
    set_seed(seed);
    transfers_.upload(expected_.data(), device(), kLargest);
  }
  ~RandomWork() { set_seed(0); }

  void once() {
    const std::size_t bytes = 1 + random_.below(random_.below(3) == 0 ? kLargest - 1000 : kSmallest), at = random_.below(1000);
    switch (random_.below(4)) {
      case 0:
      case 1: upload(at, bytes); break;
      case 2: compute(bytes); break;
      default: read(at, std::min(bytes, kSmallest)); break;
    }
    let_device_work(static_cast<int>(random_.below(6)));
    if (reads_.size() > 3) finish_read();
  }
  void end() {
    while (!reads_.empty()) finish_read();
    Bytes host(kLargest);
    transfers_.download(device(), host.data(), host.size());
    CHECK((host == expected_));
  }

 private:
  unsigned char* device() const { return static_cast<unsigned char*>(device_.get()); }
  void upload(std::size_t at, std::size_t bytes) {
    Bytes source(bytes);
    const auto first = static_cast<unsigned char>(random_.below(256));
    for (std::size_t i = 0; i < bytes; ++i) expected_[at + i] = source[i] = static_cast<unsigned char>(first + i);
    transfers_.upload(source.data(), device() + at, bytes);
    std::fill(source.begin(), source.end(), 0);
  }
  void compute(std::size_t bytes) {
    const auto kernel = [bytes, term = random_.below(256)](unsigned char* x) {
      for (std::size_t i = 0; i < bytes; ++i) x[i] = static_cast<unsigned char>(3 * x[i] + term);
    };
    enqueue(stream_.get(), {.name = "kernel", .words = {}, .run = [kernel, x = device()] { kernel(x); }});
    kernel(expected_.data());
  }
  void read(std::size_t at, std::size_t bytes) {
    const auto from = expected_.begin() + static_cast<std::ptrdiff_t>(at);
    reads_.emplace_back(transfers_.read_later(device() + at, bytes), Bytes(from, from + static_cast<std::ptrdiff_t>(bytes)));
  }
  void finish_read() {
    auto& [copy, expected] = reads_.front();
    Bytes host(expected.size());
    copy->wait(host.data());
    CHECK((host == expected));
    reads_.erase(reads_.begin());
  }

  RandomStream random_;
  cuda::DeviceMemory device_ = cuda::make_device_memory(kLargest);
  Bytes expected_;
  std::vector<std::pair<std::unique_ptr<HostCopy>, Bytes>> reads_;
  cuda::Stream stream_ = cuda::make_stream();
  Transfers transfers_{stream_.get()};
};

}  // namespace

TEST_CASE("transfers: uploads, kernels and late reads see each other in the order in which they were given") {
  for (std::uint64_t seed = 0; seed < 4; ++seed) {
    RandomWork work(seed);
    for (int k = 0; k < 60; ++k) work.once();
    work.end();
  }
}

TEST_CASE("transfers: neither an upload nor a late read waits for the work before it") {
  const cuda::Stream stream = cuda::make_stream();
  const cuda::DeviceMemory device = cuda::make_device_memory(kLargest);
  Transfers transfers(stream.get());
  Bytes host(kLargest, 7);
  const long waits = host_waits();
  bool worked = false;
  for (int step = 0; step < 5; ++step) {
    enqueue(stream.get(), {.name = "kernel", .words = {}, .run = [&worked] { worked = true; }});
    transfers.upload(host.data(), device.get(), host.size());
  }
  const auto copy = transfers.read_later(device.get(), 10);
  CHECK(host_waits() == waits);
  CHECK_FALSE(worked);
  host.front() = 0;
  copy->wait(host.data());
  CHECK(host_waits() == waits + 1);
  CHECK(host.front() == 7);
}
