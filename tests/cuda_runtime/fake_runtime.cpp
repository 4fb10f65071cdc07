#include "cuda_runtime/fake_runtime.h"

#include <cstdlib>
#include <cstring>
#include <deque>
#include <memory>
#include <vector>

#include "mec/tensor/error.h"
#include "mec/tensor/philox.h"

namespace mec::test {
namespace {

struct FakeEvent {
  long recorded = 0, reached = 0;
};

struct Work {
  std::function<void()> run;
  FakeEvent* event = nullptr;  // not before it reached `count`
  long count = 0;
};

using FakeStream = std::deque<Work>;

std::vector<std::unique_ptr<FakeStream>> streams;
std::vector<std::unique_ptr<FakeEvent>> events;
long waits = 0;
bool capturing = false;

FakeStream& at(cudaStream_t stream) { return *reinterpret_cast<FakeStream*>(stream); }
FakeEvent& at(cudaEvent_t event) { return *reinterpret_cast<FakeEvent*>(event); }

bool work_once(FakeStream& stream) {
  if (stream.empty()) return false;
  const Work work = stream.front();
  if (work.event && work.event->reached < work.count) return false;
  stream.pop_front();
  if (work.run) work.run();
  return true;
}

void wait_until(const std::function<bool()>& condition) {
  if (condition()) return;
  ++waits;
  while (!condition()) {
    bool any = false;
    for (const auto& stream : streams) any = work_once(*stream) || any;
    check<Error>(any || condition(), "fake runtime: every stream waits for another");
  }
}

}  // namespace

cudaStream_t make_fake_stream() {
  return reinterpret_cast<cudaStream_t>(streams.emplace_back(std::make_unique<FakeStream>()).get());
}
void enqueue(cudaStream_t stream, std::function<void()> work) { at(stream).push_back({std::move(work), nullptr, 0}); }
void let_device_work(int pieces) {
  static RandomStream random(3, 0, 0, Purpose::test);
  for (; pieces > 0; --pieces) work_once(*streams[random.below(streams.size())]);
}
long host_waits() { return waits; }
void let_streams_capture(bool on) { capturing = on; }

}  // namespace mec::test

using namespace mec::test;

extern "C" {

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned) {
  *stream = make_fake_stream();
  return cudaSuccess;
}
cudaError_t cudaStreamDestroy(cudaStream_t) { return cudaSuccess; }
cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  wait_until([=] { return at(stream).empty(); });
  return cudaSuccess;
}
cudaError_t cudaStreamIsCapturing(cudaStream_t, cudaStreamCaptureStatus* status) {
  *status = capturing ? cudaStreamCaptureStatusActive : cudaStreamCaptureStatusNone;
  return cudaSuccess;
}
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned) {
  at(stream).push_back({{}, &at(event), at(event).recorded});
  return cudaSuccess;
}
cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) {
  *event = reinterpret_cast<cudaEvent_t>(events.emplace_back(std::make_unique<FakeEvent>()).get());
  return cudaSuccess;
}
cudaError_t cudaEventDestroy(cudaEvent_t) { return cudaSuccess; }
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  const long count = ++at(event).recorded;
  enqueue(stream, [=] { at(event).reached = count; });
  return cudaSuccess;
}
cudaError_t cudaEventQuery(cudaEvent_t event) {
  return at(event).reached >= at(event).recorded ? cudaSuccess : cudaErrorNotReady;
}
cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  const long count = at(event).recorded;
  wait_until([=] { return at(event).reached >= count; });
  return cudaSuccess;
}
cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind, cudaStream_t stream) {
  enqueue(stream, [=] { std::memcpy(to, from, bytes); });
  return cudaSuccess;
}
cudaError_t cudaHostAlloc(void** memory, size_t bytes, unsigned) {
  *memory = std::malloc(bytes);
  return cudaSuccess;
}
cudaError_t cudaFreeHost(void* memory) {
  std::free(memory);
  return cudaSuccess;
}
cudaError_t cudaMalloc(void** memory, size_t bytes) { return cudaHostAlloc(memory, bytes, 0); }
cudaError_t cudaFree(void* memory) { return cudaFreeHost(memory); }
cudaError_t cudaSetDevice(int) { return cudaSuccess; }
cudaError_t cudaGetLastError() { return cudaSuccess; }
cudaError_t cudaDeviceGetAttribute(int*, cudaDeviceAttr, int) { return cudaErrorInvalidValue; }
const char* cudaGetErrorString(cudaError_t) { return "as the fake runtime says"; }

}  // extern "C"
