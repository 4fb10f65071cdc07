#include "software_gpu/streams.h"

#include <algorithm>
#include <chrono>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <thread>

#include "mec/tensor/error.h"
#include "mec/tensor/philox.h"
#include "software_gpu/memory.h"

namespace mec::software_gpu {
namespace {

struct StreamState;

// Its nodes run in the order in which they were given, on whichever of its streams: an event that a
// stream should have waited for, and did not, goes unnoticed. A stream joins by waiting for an
// event, and the first one must wait for all that others were given.
struct Capture {
  StreamState* first = nullptr;
  std::thread::id thread = std::this_thread::get_id();
  bool valid = true, ended = false;
  std::vector<Operation> nodes = {};
};

struct EventState {
  bool timed = false;
  long recorded = 0, reached = 0;
  double time = 0;                             // when it was reached, by the count of operations
  std::map<long, StreamState*> recorded_in{};  // by the count that the record made
  std::shared_ptr<Capture> capture = {};       // that it was last recorded in,
  StreamState* captured_in = nullptr;          // from this stream,
  long captured = 0;                           // after so many of its nodes
};
using EventPointer = std::shared_ptr<EventState>;

struct Work {
  Operation operation = {};
  EventPointer until = {};  // not before it reached `count`
  long count = 0;
};

struct StreamState {
  std::deque<Work> work;
  std::shared_ptr<Capture> capture = {};
  long captured = 0, waited_for = 0;  // nodes of the capture that it was given; those that the first stream waits for
  bool ahead = false;                 // runs what it is given as soon as events let it
  bool busy = false;                  // with its first piece, which waits for other processes
};

struct Device {
  std::recursive_mutex mutex;
  std::vector<std::unique_ptr<StreamState>> streams;
  std::map<EventState*, EventPointer> events;
  std::uint64_t seed = 0;
  RandomStream random{0, 0, 0, Purpose::test};
  long waits = 0;
  double time = 0;  // operations that ran
  long given = 0;
  std::string last_given;
};

// Never destroyed: backends may outlive the statics of a test.
Device& device() {
  static Device& the = *new Device;
  return the;
}

StreamState* find(cudaStream_t stream) {
  for (const auto& known : device().streams) {
    if (known.get() == reinterpret_cast<StreamState*>(stream)) return known.get();
  }
  return nullptr;
}
EventPointer find(cudaEvent_t event) {
  const auto known = device().events.find(reinterpret_cast<EventState*>(event));
  return known == device().events.end() ? nullptr : known->second;
}

// The capture that this thread began, on whichever stream.
Capture* own_capture() {
  for (const auto& stream : device().streams) {
    if (stream->capture && stream->capture->thread == std::this_thread::get_id()) return stream->capture.get();
  }
  return nullptr;
}
cudaError_t invalidate(Capture& capture, cudaError_t why) {
  capture.valid = false;
  return why;
}

bool may_run(const StreamState& stream) {
  return !stream.work.empty() && !stream.busy &&
         (!stream.work.front().until || stream.work.front().until->reached >= stream.work.front().count);
}

void run_one(StreamState& stream) {
  const Work& work = stream.work.front();
  ++device().time;
  set_operation(work.operation.name.c_str());
  if (work.operation.waits_for_others) {
    stream.busy = true;
    device().mutex.unlock();
    work.operation.run();
    device().mutex.lock();
    stream.busy = false;
  } else if (work.operation.run) {
    work.operation.run();
  }
  stream.work.pop_front();
}

// Lets the thread of work_alone() come to its end.
void nap() {
  device().mutex.unlock();
  std::this_thread::sleep_for(std::chrono::microseconds(20));
  device().mutex.lock();
}

// Runs the stream's first piece, and before it what that waits for. Returns early where another
// thread is at it.
void advance(StreamState& stream) {
  while (!stream.work.empty() && !may_run(stream)) {
    if (stream.busy) return nap();
    const Work& first = stream.work.front();
    StreamState* const other = first.until->recorded_in.at(first.count);
    check<Error>(other != &stream && !other->work.empty(), "software GPU: streams wait for each other");
    advance(*other);
  }
  if (!stream.work.empty()) run_one(stream);
}

template <class Condition> void host_waits_until(StreamState& stream, Condition condition) {
  if (condition()) return;
  ++device().waits;
  const DeviceAtWork work;
  while (!condition()) advance(stream);
}

void run_ahead() {
  Device& d = device();
  if (d.seed == 0) return;
  if (d.random.below(8) == 0) {
    for (const auto& stream : d.streams) stream->ahead = d.random.below(2) == 0;
  }
  for (const auto& stream : d.streams) {
    if (!stream->ahead || !may_run(*stream)) continue;
    const DeviceAtWork work;
    while (may_run(*stream)) run_one(*stream);
  }
}

void add(StreamState& stream, Work work) {
  stream.work.push_back(std::move(work));
  run_ahead();
}

// Why the host is told nothing of an event now; cudaSuccess where it is.
cudaError_t refusal_to_tell(const EventPointer& event) {
  if (!event) return cudaErrorInvalidResourceHandle;
  if (const cudaError_t error = forbidden_in_capture()) return error;
  return event->capture ? cudaErrorCapturedEvent : cudaSuccess;
}

}  // namespace

cudaError_t enqueue(cudaStream_t handle, Operation operation) {
  const std::lock_guard lock(device().mutex);
  if (!handle) {
    Capture* const capture = own_capture();
    check<Error>(capture != nullptr, "software GPU: ", operation.name, " went to the legacy stream, which nothing here uses");
    return invalidate(*capture, cudaErrorStreamCaptureImplicit);
  }
  StreamState* const stream = find(handle);
  if (!stream) return cudaErrorInvalidResourceHandle;
  if (stream->capture && !stream->capture->valid) return cudaErrorStreamCaptureInvalidated;
  check_addresses(operation.name, operation.words);
  ++device().given;
  device().last_given = operation.name;
  if (stream->capture) {
    stream->capture->nodes.push_back(std::move(operation));
    ++stream->captured;
  } else {
    add(*stream, {.operation = std::move(operation)});
  }
  return cudaSuccess;
}

void set_seed(std::uint64_t seed) {
  const std::lock_guard lock(device().mutex);
  device().seed = seed;
  device().random = RandomStream(seed, 0, 0, Purpose::test);
  for (const auto& stream : device().streams) stream->ahead = false;
}
void let_device_work(int pieces) {
  const std::lock_guard lock(device().mutex);
  const DeviceAtWork work;
  for (; pieces > 0; --pieces) {
    StreamState& stream = *device().streams[device().random.below(device().streams.size())];
    if (may_run(stream)) run_one(stream);
  }
}
void work_alone() {
  static std::once_flag begun;
  std::call_once(begun, [] {
    std::thread([] {
      for (;; std::this_thread::sleep_for(std::chrono::microseconds(20))) {
        const std::lock_guard lock(device().mutex);
        const auto ready = std::ranges::find_if(device().streams, [](const auto& stream) { return may_run(*stream); });
        if (ready == device().streams.end()) continue;
        const DeviceAtWork work;
        run_one(**ready);
      }
    }).detach();
  });
}
long host_waits() { return device().waits; }
long given_operations() { return device().given; }
std::string last_given() { return device().last_given; }

cudaError_t create_stream(cudaStream_t* stream) {
  const std::lock_guard lock(device().mutex);
  *stream = reinterpret_cast<cudaStream_t>(device().streams.emplace_back(std::make_unique<StreamState>()).get());
  return cudaSuccess;
}
// CUDA lets what was given to it end first.
cudaError_t destroy_stream(cudaStream_t handle) {
  const std::lock_guard lock(device().mutex);
  StreamState* const stream = find(handle);
  if (!stream) return cudaErrorInvalidResourceHandle;
  host_waits_until(*stream, [&] { return stream->work.empty(); });
  for (auto& [known, event] : device().events) {
    std::erase_if(event->recorded_in, [&](const auto& record) { return record.second == stream; });
  }
  std::erase_if(device().streams, [&](const auto& known) { return known.get() == stream; });
  return cudaSuccess;
}
cudaError_t synchronize(cudaStream_t handle) {
  const std::lock_guard lock(device().mutex);
  StreamState* const stream = find(handle);
  if (!stream) return cudaErrorInvalidResourceHandle;
  if (const cudaError_t error = forbidden_in_capture()) return error;
  if (stream->capture) return invalidate(*stream->capture, cudaErrorStreamCaptureUnsupported);
  host_waits_until(*stream, [&] { return stream->work.empty(); });
  return cudaSuccess;
}
void finish_all() {
  const std::lock_guard lock(device().mutex);
  for (const auto& stream : device().streams) host_waits_until(*stream, [&] { return stream->work.empty(); });
}

cudaError_t create_event(cudaEvent_t* event, bool timed) {
  const std::lock_guard lock(device().mutex);
  const auto made = std::make_shared<EventState>(EventState{.timed = timed});
  device().events.emplace(made.get(), made);
  *event = reinterpret_cast<cudaEvent_t>(made.get());
  return cudaSuccess;
}
cudaError_t destroy_event(cudaEvent_t event) {
  const std::lock_guard lock(device().mutex);
  return device().events.erase(reinterpret_cast<EventState*>(event)) ? cudaSuccess : cudaErrorInvalidResourceHandle;
}
cudaError_t record(cudaEvent_t handle, cudaStream_t stream_handle) {
  const std::lock_guard lock(device().mutex);
  const EventPointer event = find(handle);
  StreamState* const stream = find(stream_handle);
  if (!event || !stream) return cudaErrorInvalidResourceHandle;
  event->capture = stream->capture;
  event->captured_in = stream;
  event->captured = stream->captured;
  if (stream->capture) return stream->capture->valid ? cudaSuccess : cudaErrorStreamCaptureInvalidated;
  const long count = ++event->recorded;
  event->recorded_in[count] = stream;
  add(*stream, {.operation = {.name = "event", .words = {}, .run = [event, count] {
                                event->reached = std::max(event->reached, count);
                                event->time = device().time;
                                event->recorded_in.erase(event->recorded_in.begin(), event->recorded_in.upper_bound(count));
                              }}});
  return cudaSuccess;
}
cudaError_t wait_for(cudaStream_t stream_handle, cudaEvent_t handle) {
  const std::lock_guard lock(device().mutex);
  const EventPointer event = find(handle);
  StreamState* const stream = find(stream_handle);
  if (!event || !stream) return cudaErrorInvalidResourceHandle;
  if (!stream->capture && event->capture && !event->capture->ended) {
    if (!event->capture->valid) return cudaErrorStreamCaptureInvalidated;
    stream->capture = event->capture;
    stream->captured = 1;
    stream->waited_for = 0;
    return cudaSuccess;
  }
  if (stream->capture) {
    if (!stream->capture->valid) return cudaErrorStreamCaptureInvalidated;
    if (event->capture != stream->capture) return invalidate(*stream->capture, cudaErrorStreamCaptureIsolation);
    StreamState& other = *event->captured_in;
    if (stream->capture->first == stream) other.waited_for = std::max(other.waited_for, event->captured);
    return cudaSuccess;
  }
  check<Error>(!event->capture, "software GPU: a stream waits for an event of a capture that has ended");
  add(*stream, {.until = event, .count = event->recorded});
  return cudaSuccess;
}
cudaError_t query(cudaEvent_t handle) {
  const std::lock_guard lock(device().mutex);
  const EventPointer event = find(handle);
  if (const cudaError_t error = refusal_to_tell(event)) return error;
  return event->reached >= event->recorded ? cudaSuccess : cudaErrorNotReady;
}
cudaError_t synchronize(cudaEvent_t handle) {
  const std::lock_guard lock(device().mutex);
  const EventPointer event = find(handle);
  if (const cudaError_t error = refusal_to_tell(event)) return error;
  const long count = event->recorded;
  if (event->reached < count) host_waits_until(*event->recorded_in.at(count), [&] { return event->reached >= count; });
  return cudaSuccess;
}
// An operation takes a millisecond.
cudaError_t elapsed(float* milliseconds, cudaEvent_t from, cudaEvent_t to) {
  const std::lock_guard lock(device().mutex);
  const EventPointer first = find(from), last = find(to);
  if (!first || !last || !first->timed || !last->timed) return cudaErrorInvalidResourceHandle;
  if (first->reached < first->recorded || last->reached < last->recorded) return cudaErrorNotReady;
  *milliseconds = static_cast<float>(last->time - first->time);
  return cudaSuccess;
}

cudaError_t begin_capture(cudaStream_t handle) {
  const std::lock_guard lock(device().mutex);
  if (!handle) return cudaErrorStreamCaptureUnsupported;
  StreamState* const stream = find(handle);
  if (!stream) return cudaErrorInvalidResourceHandle;
  if (stream->capture) return cudaErrorIllegalState;
  stream->capture = std::make_shared<Capture>(Capture{.first = stream});
  return cudaSuccess;
}
cudaError_t capture_status(cudaStream_t handle, cudaStreamCaptureStatus& status) {
  const std::lock_guard lock(device().mutex);
  StreamState* const stream = find(handle);
  if (!stream) return cudaErrorInvalidResourceHandle;
  status = !stream->capture         ? cudaStreamCaptureStatusNone
           : stream->capture->valid ? cudaStreamCaptureStatusActive
                                    : cudaStreamCaptureStatusInvalidated;
  return cudaSuccess;
}
cudaError_t end_capture(cudaStream_t handle, std::vector<Operation>& nodes) {
  const std::lock_guard lock(device().mutex);
  StreamState* const stream = find(handle);
  if (!stream) return cudaErrorInvalidResourceHandle;
  if (!stream->capture) return cudaErrorIllegalState;
  if (stream->capture->thread != std::this_thread::get_id()) {
    return invalidate(*stream->capture, cudaErrorStreamCaptureWrongThread);
  }
  if (stream->capture->first != stream) return invalidate(*stream->capture, cudaErrorStreamCaptureUnmatched);
  const std::shared_ptr<Capture> capture = std::move(stream->capture);
  capture->ended = true;
  bool joined = true;
  for (const auto& other : device().streams) {
    if (other->capture != capture) continue;
    joined = joined && other->waited_for == other->captured;
    other->capture.reset();
  }
  if (!capture->valid) return cudaErrorStreamCaptureInvalidated;
  if (!joined) return cudaErrorStreamCaptureUnjoined;
  nodes = std::move(capture->nodes);
  return cudaSuccess;
}
cudaError_t forbidden_in_capture() {
  const std::lock_guard lock(device().mutex);
  Capture* const capture = own_capture();
  return capture ? invalidate(*capture, cudaErrorStreamCaptureUnsupported) : cudaSuccess;
}

}  // namespace mec::software_gpu
