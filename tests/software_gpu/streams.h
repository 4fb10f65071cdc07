// Streams, events and captures of the software GPU.
//
// What is given to a stream runs as late as it can: when the host waits for it. With a seed,
// streams also run ahead of each other, as far as events let them, so that an order that only
// happens to be kept is not kept always.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace mec::software_gpu {

// One piece of a stream's work.
struct Operation {
  std::string name;
  // What it was given, checked for addresses now, and before each replay.
  std::vector<std::uintptr_t> words;
  std::function<void()> run;
  bool waits_for_others = false;  // for other processes, while this one's threads may use the device
};

// Into the stream, or into the graph that is captured from it. Error for an address that no device
// could use.
cudaError_t enqueue(cudaStream_t stream, Operation operation);

// 0, the default: nothing runs before the host waits for it. Others: streams run ahead at random.
void set_seed(std::uint64_t seed);
void let_device_work(int pieces);  // so many pieces of work, from streams taken at random
// From now on the device also works while the host does not wait for it, as a GPU does: what other
// processes wait for must go on. In a thread of its own.
void work_alone();
long host_waits();  // how often the host had to wait so far
// How many streams were given so far, by launches, libraries and copies.
long given_operations();
std::string last_given();  // the name of the last of them

// --- For runtime.cpp -----------------------------------------------------------------------------

cudaError_t create_stream(cudaStream_t* stream);
cudaError_t destroy_stream(cudaStream_t stream);
cudaError_t synchronize(cudaStream_t stream);
void finish_all();  // what every stream was given

cudaError_t create_event(cudaEvent_t* event, bool timed);
cudaError_t destroy_event(cudaEvent_t event);
cudaError_t record(cudaEvent_t event, cudaStream_t stream);
cudaError_t wait_for(cudaStream_t stream, cudaEvent_t event);
cudaError_t query(cudaEvent_t event);
cudaError_t synchronize(cudaEvent_t event);
cudaError_t elapsed(float* milliseconds, cudaEvent_t from, cudaEvent_t to);

cudaError_t begin_capture(cudaStream_t stream);
cudaError_t capture_status(cudaStream_t stream, cudaStreamCaptureStatus& status);
cudaError_t end_capture(cudaStream_t stream, std::vector<Operation>& nodes);
// What CUDA does not let the capturing thread do: cudaErrorStreamCaptureUnsupported, and the
// capture is lost. Else cudaSuccess.
cudaError_t forbidden_in_capture();

}  // namespace mec::software_gpu
