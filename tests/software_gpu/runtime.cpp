// CUDA's runtime, as much of it as mec calls: cuda_runtime_api.h over the software GPU's memory and
// streams.
#include <cuda_runtime_api.h>

#include <cstdlib>
#include <cstring>
#include <memory>
#include <utility>
#include <vector>

#include "software_gpu/memory.h"
#include "software_gpu/streams.h"

using namespace mec::software_gpu;

namespace {

thread_local cudaError_t last_error = cudaSuccess;

// A status that is not success stays until cudaGetLastError() takes it, "not ready" among them.
cudaError_t result(cudaError_t status) {
  if (status != cudaSuccess) last_error = status;
  return status;
}

using Nodes = std::vector<Operation>;
Nodes& nodes_of(void* graph) { return *static_cast<Nodes*>(graph); }

struct Copy {
  std::byte* to;
  const std::byte* from;
  std::size_t bytes;
};

bool fits(const void* address, std::size_t bytes, bool device) {
  return device ? is_device_memory(address, bytes) : place_of(address) != Place::device;
}

// Host memory that is not pinned is read at once, and written before the call returns.
cudaError_t copy(const Copy& c, cudaMemcpyKind kind, cudaStream_t stream) {
  const bool from_host = kind == cudaMemcpyHostToDevice, to_host = kind == cudaMemcpyDeviceToHost;
  if (!from_host && !to_host && kind != cudaMemcpyDeviceToDevice) return cudaErrorInvalidMemcpyDirection;
  if (!fits(c.to, c.bytes, !to_host) || !fits(c.from, c.bytes, !from_host)) return cudaErrorInvalidValue;
  const auto device_word = [](const void* address) { return reinterpret_cast<std::uintptr_t>(address); };
  Operation operation{.name = "copy", .words = {}, .run = [c] { std::memcpy(c.to, c.from, c.bytes); }};
  if (!to_host) operation.words.push_back(device_word(c.to));
  if (!from_host) operation.words.push_back(device_word(c.from));
  if (from_host && place_of(c.from) == Place::pageable) {
    const auto staged = std::make_shared<std::vector<std::byte>>(c.from, c.from + c.bytes);
    operation.run = [c, staged] { std::memcpy(c.to, staged->data(), c.bytes); };
  }
  const bool waits = to_host && place_of(c.to) == Place::pageable;
  const cudaError_t status = waits ? forbidden_in_capture() : cudaSuccess;
  if (status != cudaSuccess) return status;
  if (const cudaError_t refused = enqueue(stream, std::move(operation))) return refused;
  return waits ? synchronize(stream) : cudaSuccess;
}

}  // namespace

extern "C" {

// --- The device: what cuDNN is told of an H100 (tests/golden/cuda), with a name of its own ---

// One; as many as MEC_SOFTWARE_GPUS says, of which a process uses one.
cudaError_t cudaGetDeviceCount(int* count) {
  const char* const asked = std::getenv("MEC_SOFTWARE_GPUS");
  *count = asked ? std::atoi(asked) : 1;
  return cudaSuccess;
}
cudaError_t cudaSetDevice(int device) {
  int devices = 0;
  cudaGetDeviceCount(&devices);
  return result(device >= 0 && device < devices ? cudaSuccess : cudaErrorInvalidDevice);
}
cudaError_t cudaDriverGetVersion(int* version) {
  *version = CUDART_VERSION;
  return cudaSuccess;
}
cudaError_t cudaRuntimeGetVersion(int* version) {
  *version = CUDART_VERSION;
  return cudaSuccess;
}
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device) {
  if (const cudaError_t error = cudaSetDevice(device)) return error;
  *properties = {};
  std::strcpy(properties->name, "software GPU");
  properties->totalGlobalMem = kCapacity;
  properties->major = 9;
  properties->multiProcessorCount = 132;
  properties->uuid.bytes[0] = static_cast<char>(device);
  return cudaSuccess;
}
cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int device) {
  if (const cudaError_t error = cudaSetDevice(device)) return error;
  if (attribute != cudaDevAttrMultiProcessorCount) return result(cudaErrorInvalidValue);
  *value = 132;
  return cudaSuccess;
}
cudaError_t cudaGetLastError() { return std::exchange(last_error, cudaSuccess); }
const char* cudaGetErrorString(cudaError_t error) {
  switch (error) {
    case cudaErrorMemoryAllocation: return "out of memory";
    case cudaErrorNotReady: return "device not ready";
    case cudaErrorStreamCaptureUnsupported: return "operation not permitted when stream is capturing";
    case cudaErrorStreamCaptureInvalidated: return "operation failed due to a previous error during capture";
    case cudaErrorStreamCaptureIsolation: return "dependency created on uncaptured work in another stream";
    case cudaErrorStreamCaptureImplicit: return "operation would make the legacy stream depend on a capturing blocking stream";
    case cudaErrorStreamCaptureWrongThread: return "attempt to terminate a thread-local capture sequence from another thread";
    case cudaErrorCapturedEvent: return "operation not permitted on an event last recorded in a capturing stream";
    default: return "an error of the software GPU";
  }
}

// --- Memory ---

cudaError_t cudaMalloc(void** memory, size_t bytes) {
  if (const cudaError_t error = forbidden_in_capture()) return result(error);
  *memory = allocate_device(bytes);
  return result(*memory ? cudaSuccess : cudaErrorMemoryAllocation);
}
// CUDA waits for the whole device first.
cudaError_t cudaFree(void* memory) {
  if (!memory) return cudaSuccess;
  if (const cudaError_t error = forbidden_in_capture()) return result(error);
  finish_all();
  return result(release_device(memory) ? cudaSuccess : cudaErrorInvalidValue);
}
cudaError_t cudaHostAlloc(void** memory, size_t bytes, unsigned) {
  if (const cudaError_t error = forbidden_in_capture()) return result(error);
  *memory = allocate_pinned(bytes);
  return result(*memory ? cudaSuccess : cudaErrorMemoryAllocation);
}
cudaError_t cudaFreeHost(void* memory) {
  if (!memory) return cudaSuccess;
  if (const cudaError_t error = forbidden_in_capture()) return result(error);
  return result(release_pinned(memory) ? cudaSuccess : cudaErrorInvalidValue);
}
cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind kind, cudaStream_t stream) {
  return result(copy({static_cast<std::byte*>(to), static_cast<const std::byte*>(from), bytes}, kind, stream));
}

// --- Streams and events ---

// Streams that the legacy stream holds up would need one.
cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned flags) {
  return result(flags == cudaStreamNonBlocking ? create_stream(stream) : cudaErrorInvalidValue);
}
cudaError_t cudaStreamDestroy(cudaStream_t stream) { return result(destroy_stream(stream)); }
cudaError_t cudaStreamSynchronize(cudaStream_t stream) { return result(synchronize(stream)); }
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned) { return result(wait_for(stream, event)); }
cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned flags) {
  return result(create_event(event, (flags & cudaEventDisableTiming) == 0));
}
cudaError_t cudaEventDestroy(cudaEvent_t event) { return result(destroy_event(event)); }
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) { return result(record(event, stream)); }
cudaError_t cudaEventQuery(cudaEvent_t event) { return result(query(event)); }
cudaError_t cudaEventSynchronize(cudaEvent_t event) { return result(synchronize(event)); }
cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t from, cudaEvent_t to) {
  return result(elapsed(milliseconds, from, to));
}

// --- Graphs ---

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode mode) {
  return result(mode == cudaStreamCaptureModeThreadLocal ? begin_capture(stream) : cudaErrorInvalidValue);
}
cudaError_t cudaStreamIsCapturing(cudaStream_t stream, cudaStreamCaptureStatus* status) {
  return result(capture_status(stream, *status));
}
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  Nodes nodes;
  *graph = nullptr;
  const cudaError_t status = end_capture(stream, nodes);
  if (status == cudaSuccess) *graph = reinterpret_cast<cudaGraph_t>(new Nodes(std::move(nodes)));
  return result(status);
}
cudaError_t cudaGraphInstantiate(cudaGraphExec_t* executable, cudaGraph_t graph, unsigned long long) {
  *executable = reinterpret_cast<cudaGraphExec_t>(new Nodes(nodes_of(graph)));
  return cudaSuccess;
}
cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t stream) {
  for (const Operation& node : nodes_of(executable)) {
    if (const cudaError_t error = enqueue(stream, node)) return result(error);
  }
  return cudaSuccess;
}
cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  delete &nodes_of(graph);
  return cudaSuccess;
}
// What was launched of it still runs: streams have their own copy.
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t executable) {
  delete &nodes_of(executable);
  return cudaSuccess;
}

}  // extern "C"
