// The software GPU keeps CUDA's rules: what a device would refuse, or answer with garbage, is found
// out here.
#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmath>
#include <cstring>
#include <functional>
#include <string>
#include <thread>

#include "mec/tensor/backend.h"
#include "mec/tensor/backends/cuda/runtime/runtime.h"
#include "mec/tensor/devices.h"
#include "mec/tensor/ops.h"
#include "software_gpu/streams.h"

using namespace mec;
using namespace mec::cuda;
using namespace mec::software_gpu;

extern "C" void __cudaRegisterFatBinary() __attribute__((weak));

namespace {

constexpr std::size_t kBytes = 1024;

Operation nothing(const char* name = "nothing") {
  return {.name = name, .words = {}, .run = [] {}};
}

// What a process that does this says before it dies of a signal.
std::string last_words(const std::function<void()>& fatal) {
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  const pid_t child = ::fork();
  if (child == 0) {
    ::dup2(ends[1], STDERR_FILENO);
    ::dup2(ends[1], STDOUT_FILENO);
    fatal();
    ::_exit(0);
  }
  ::close(ends[1]);
  std::string words;
  char part[256];
  for (ssize_t n = 0; (n = ::read(ends[0], part, sizeof part)) > 0;) words.append(part, static_cast<std::size_t>(n));
  ::close(ends[0]);
  int status = 0;
  ::waitpid(child, &status, 0);
  CHECK(!(WIFEXITED(status) && WEXITSTATUS(status) == 0));
  return words;
}

// Pinned memory full of 7, device memory, and two streams.
struct Transfer {
  PinnedMemory host = make_pinned_memory(kBytes);
  DeviceMemory staged = make_device_memory(kBytes), device = make_device_memory(kBytes);
  Stream copy = make_stream(), compute = make_stream();
  Event crossed = make_event();

  Transfer() { std::memset(host.get(), 7, kBytes); }

  // Up on one stream and to its place on the other, which waits for it, or not; what is then there.
  int run(bool waits) {
    MEC_CHECK_CUDA(cudaMemcpyAsync(staged.get(), host.get(), kBytes, cudaMemcpyHostToDevice, copy.get()));
    MEC_CHECK_CUDA(cudaEventRecord(crossed.get(), copy.get()));
    if (waits) MEC_CHECK_CUDA(cudaStreamWaitEvent(compute.get(), crossed.get(), 0));
    MEC_CHECK_CUDA(cudaMemcpyAsync(device.get(), staged.get(), kBytes, cudaMemcpyDeviceToDevice, compute.get()));
    unsigned char found = 0;
    MEC_CHECK_CUDA(cudaMemcpyAsync(&found, device.get(), 1, cudaMemcpyDeviceToHost, compute.get()));
    return found;
  }
};

// A stream that is captured, and what the capture makes of `call`.
struct Captured {
  Stream stream = make_stream();
  cudaGraph_t graph = nullptr;

  Captured() { MEC_CHECK_CUDA(cudaStreamBeginCapture(stream.get(), cudaStreamCaptureModeThreadLocal)); }
  ~Captured() {
    if (graph) static_cast<void>(cudaGraphDestroy(graph));
  }
  cudaError_t end() { return cudaStreamEndCapture(stream.get(), &graph); }
};

}  // namespace

TEST_CASE("software GPU: the program has no code for a device, which would need one") {
  CHECK(reinterpret_cast<void*>(&__cudaRegisterFatBinary) == nullptr);
}

TEST_CASE("software GPU: fresh memory is NaN, and the host that touches it dies with a reason") {
  const Device device = make_cuda_device();
  const Tensor x({5000}, Dtype::f32, device);
  for (const float value : x.to_vector<float>()) CHECK(std::isnan(value));
  CHECK(last_words([&] { *static_cast<volatile float*>(Out(x).data) = 1; }).find("touched device memory, from the host") !=
        std::string::npos);
}

TEST_CASE("software GPU: a kernel that is given an address of the host is refused, wherever the address stands") {
  const Device device = make_cuda_device();
  std::vector<float> host(64, 1);
  const Out there{host.data(), {64}, Dtype::f32};
  CHECK_THROWS_WITH_AS(device->run(kernel::Fill{there, 2.0}), doctest::Contains("fill was given an address of the host"),
                       Error);
  const Tensor x({4, 64}, Dtype::f32, device), y({4, 64}, Dtype::f32, device), mean({64}, Dtype::f32, device);
  CHECK_THROWS_WITH_AS(device->run(kernel::BatchNormApply{x, mean, mean, there, {}, {}, y, {}}),
                       doctest::Contains("address of the host"),
                       Error);  // in a struct
  const Out column{host.data(), {64, 1}, Dtype::f32};
  CHECK_THROWS_WITH_AS(device->run(kernel::Matmul{x, column, Tensor({4, 1}, Dtype::f32, device), {}}),
                       doctest::Contains("address of the host"), Error);
}

TEST_CASE("software GPU: memory that was given back is of no use to anybody") {
  const Stream stream = make_stream();
  DeviceMemory memory = make_device_memory(kBytes);
  void* const address = memory.get();
  memory.reset();
  CHECK_THROWS_WITH_AS(
      enqueue(stream.get(), {.name = "kernel", .words = {reinterpret_cast<std::uintptr_t>(address)}, .run = {}}),
      doctest::Contains("kernel was given device memory that is not in use"), Error);
  const PinnedMemory host = make_pinned_memory(kBytes);
  CHECK(cudaMemcpyAsync(address, host.get(), kBytes, cudaMemcpyHostToDevice, stream.get()) == cudaErrorInvalidValue);
  CHECK(cudaFree(address) == cudaErrorInvalidValue);
  // A kernel that computes such an address, too.
  const auto late = [&] {
    enqueue(stream.get(), {.name = "kernel", .words = {}, .run = [=] { *static_cast<volatile char*>(address) = 1; }});
    static_cast<void>(cudaStreamSynchronize(stream.get()));
  };
  CHECK(last_words(late).find("kernel touched device memory that is not in use") != std::string::npos);
  static_cast<void>(cudaGetLastError());
}

TEST_CASE("software GPU: copies go where they say, within one piece of memory") {
  Transfer t;
  const auto refused = [&](void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind) {
    CHECK(cudaMemcpyAsync(to, from, bytes, kind, t.copy.get()) == cudaErrorInvalidValue);
    static_cast<void>(cudaGetLastError());
  };
  refused(t.host.get(), t.host.get(), 1, cudaMemcpyHostToDevice);
  refused(t.device.get(), t.device.get(), 1, cudaMemcpyHostToDevice);
  refused(t.device.get(), t.host.get(), 1, cudaMemcpyDeviceToDevice);
  refused(t.device.get(), t.staged.get(), std::size_t{4} << 20, cudaMemcpyDeviceToDevice);
}

TEST_CASE("software GPU: without an event between an upload and its use, the use comes first") {
  for (std::uint64_t seed = 0; seed < 3; ++seed) {
    set_seed(seed);
    CHECK(Transfer().run(true) == 7);
  }
  set_seed(0);
  CHECK(Transfer().run(false) == 0xff);
}

TEST_CASE("software GPU: with a seed, streams also run before anybody waits for them") {
  long ahead = 0;
  for (std::uint64_t seed = 1; seed <= 8; ++seed) {
    set_seed(seed);
    const Stream stream = make_stream();
    bool ran = false;
    for (int i = 0; i < 20; ++i) enqueue(stream.get(), {.name = "kernel", .words = {}, .run = [&ran] { ran = true; }});
    ahead += ran;
    MEC_CHECK_CUDA(cudaStreamSynchronize(stream.get()));
  }
  set_seed(0);
  CHECK(ahead > 0);
}

TEST_CASE("software GPU: an event that is not ready leaves an error for whoever asks next") {
  const Stream stream = make_stream();
  const Event event = make_event();
  enqueue(stream.get(), nothing());
  MEC_CHECK_CUDA(cudaEventRecord(event.get(), stream.get()));
  CHECK(cudaEventQuery(event.get()) == cudaErrorNotReady);
  CHECK(cudaGetLastError() == cudaErrorNotReady);
  CHECK(cudaGetLastError() == cudaSuccess);
}

TEST_CASE("software GPU: what a capture forbids returns CUDA's code, and the capture is lost") {
  const Stream other = make_stream();
  const Event outside = make_event();
  MEC_CHECK_CUDA(cudaEventRecord(outside.get(), other.get()));
  void* memory = nullptr;
  const std::pair<const char*, std::function<cudaError_t(const Captured&)>> unsupported[] = {
      {"allocate", [&](const Captured&) { return cudaMalloc(&memory, kBytes); }},
      {"allocate pinned", [&](const Captured&) { return cudaHostAlloc(&memory, kBytes, 0); }},
      {"synchronise", [&](const Captured& c) { return cudaStreamSynchronize(c.stream.get()); }},
      {"synchronise another", [&](const Captured&) { return cudaStreamSynchronize(other.get()); }},
      {"wait for an event", [&](const Captured&) { return cudaEventSynchronize(outside.get()); }},
      {"ask an event", [&](const Captured&) { return cudaEventQuery(outside.get()); }}};
  const auto lost = [](const char* what, cudaError_t code, const std::function<cudaError_t(const Captured&)>& call) {
    CAPTURE(what);
    Captured capture;
    CHECK(call(capture) == code);
    CHECK(enqueue(capture.stream.get(), nothing()) == cudaErrorStreamCaptureInvalidated);
    CHECK(capture.end() == cudaErrorStreamCaptureInvalidated);
    CHECK(capture.graph == nullptr);
    CHECK(enqueue(capture.stream.get(), nothing()) == cudaSuccess);  // the stream goes on
  };
  for (const auto& [what, call] : unsupported) lost(what, cudaErrorStreamCaptureUnsupported, call);
  lost("the legacy stream", cudaErrorStreamCaptureImplicit, [](const Captured&) { return enqueue(nullptr, nothing()); });
  lost("an event from outside", cudaErrorStreamCaptureIsolation,
       [&](const Captured& c) { return cudaStreamWaitEvent(c.stream.get(), outside.get(), 0); });
  {
    Captured first;
    const Event inside = make_event();
    MEC_CHECK_CUDA(cudaEventRecord(inside.get(), first.stream.get()));
    CHECK(cudaStreamWaitEvent(first.stream.get(), inside.get(), 0) == cudaSuccess);
    std::thread([&] {
      lost("an event of another capture", cudaErrorStreamCaptureIsolation,
           [&](const Captured& c) { return cudaStreamWaitEvent(c.stream.get(), inside.get(), 0); });
      void* fine = nullptr;
      CHECK(cudaMalloc(&fine, kBytes) == cudaSuccess);  // another thread may
      CHECK(cudaFree(fine) == cudaSuccess);
      cudaGraph_t graph = nullptr;
      CHECK(cudaStreamEndCapture(first.stream.get(), &graph) == cudaErrorStreamCaptureWrongThread);
    }).join();
    CHECK(first.end() == cudaErrorStreamCaptureInvalidated);
  }
  static_cast<void>(cudaGetLastError());
}

TEST_CASE("software GPU: a graph runs what was captured, not before it is launched, and not over memory that is gone") {
  DeviceMemory memory = make_device_memory(kBytes);
  Captured capture;
  int runs = 0;
  enqueue(capture.stream.get(),
          {.name = "kernel", .words = {reinterpret_cast<std::uintptr_t>(memory.get())}, .run = [&runs] { ++runs; }});
  MEC_CHECK_CUDA(capture.end());
  cudaGraphExec_t raw = nullptr;
  MEC_CHECK_CUDA(cudaGraphInstantiate(&raw, capture.graph, 0));
  const GraphExec graph(raw);
  CHECK(runs == 0);
  for (int i = 0; i < 2; ++i) MEC_CHECK_CUDA(cudaGraphLaunch(graph.get(), capture.stream.get()));
  MEC_CHECK_CUDA(cudaStreamSynchronize(capture.stream.get()));
  CHECK(runs == 2);
  memory.reset();
  CHECK_THROWS_WITH_AS(cudaGraphLaunch(graph.get(), capture.stream.get()),
                       doctest::Contains("device memory that is not in use"), Error);
}

TEST_CASE("software GPU: a device without memory says so, and works on") {
  const Device device = make_cuda_device();
  CHECK_THROWS_AS(Tensor({std::int64_t{2} << 30}, Dtype::f32, device), MemoryError);
  CHECK(Tensor::full({3}, 2, Dtype::f32, device).to_vector<float>() == std::vector<float>(3, 2));
}
