// Streams, events, graphs and memory of CUDA's runtime under owning handles, whose destructors
// never throw.
#pragma once

#include <cstddef>
#include <utility>

#include "mec/tensor/allocator.h"
#include "mec/tensor/backends/cuda/runtime/check.h"

namespace mec::cuda {

// Owns what `destroy` destroys; the status of that is ignored, since a destructor cannot report it.
template <class T, auto destroy> class Handle {
 public:
  Handle() = default;
  explicit Handle(T value) : value_(value) {}
  ~Handle() { reset(); }
  Handle(Handle&& other) noexcept : value_(std::exchange(other.value_, T{})) {}
  Handle& operator=(Handle&& other) noexcept {
    if (this != &other) reset(std::exchange(other.value_, T{}));
    return *this;
  }

  T get() const { return value_; }
  explicit operator bool() const { return value_ != T{}; }
  void reset(T value = T{}) noexcept {
    if (value_ != T{}) static_cast<void>(destroy(value_));
    value_ = value;
  }

 private:
  T value_{};
};

using Stream = Handle<cudaStream_t, cudaStreamDestroy>;
using Event = Handle<cudaEvent_t, cudaEventDestroy>;
using Graph = Handle<cudaGraph_t, cudaGraphDestroy>;
using GraphExec = Handle<cudaGraphExec_t, cudaGraphExecDestroy>;
using PinnedMemory = Handle<void*, cudaFreeHost>;
using DeviceMemory = Handle<void*, cudaFree>;

// Not blocked by the default stream, which nothing here uses.
Stream make_stream();
Event make_event();                                  // for order, not for time
Event make_timed_event();                            // for time
// Pinned (page-locked) host memory, which a device copies from and to by itself.
PinnedMemory make_pinned_memory(std::size_t bytes);
DeviceMemory make_device_memory(std::size_t bytes);

// Segments of device memory for the caching allocator.
Upstream device_upstream(int device);

// All of a device's attributes that mec asks for.
int attribute_of(int device, cudaDeviceAttr attribute);

}  // namespace mec::cuda
