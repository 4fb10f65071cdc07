// CUDA's runtime on the host, as far as transfers need it: streams run late, and in any order that events allow.
#pragma once

#include <cuda_runtime_api.h>

#include <functional>

namespace mec::test {

cudaStream_t make_fake_stream();
void enqueue(cudaStream_t stream, std::function<void()> work);
void let_device_work(int pieces);  // so many pieces of work, from streams taken at random
long host_waits();                 // how often the host had to wait so far
void let_streams_capture(bool on);  // what streams say of themselves when asked whether they capture

}  // namespace mec::test
