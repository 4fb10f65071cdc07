#include "mec/tensor/backends/cuda/nccl/collectives.h"

#include <nccl.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <exception>
#include <mutex>
#include <thread>

#include "mec/tensor/backends/cuda/runtime/library.h"

namespace mec::cuda {

MEC_FUNCTION_OF(nccl, ncclGetVersion);
MEC_FUNCTION_OF(nccl, ncclGetUniqueId);
MEC_FUNCTION_OF(nccl, ncclCommInitRank);
MEC_FUNCTION_OF(nccl, ncclCommDestroy);
MEC_FUNCTION_OF(nccl, ncclCommAbort);
MEC_FUNCTION_OF(nccl, ncclCommGetAsyncError);
MEC_FUNCTION_OF(nccl, ncclGetErrorString);
MEC_FUNCTION_OF(nccl, ncclAllGather);
MEC_FUNCTION_OF(nccl, ncclAllReduce);
MEC_FUNCTION_OF(nccl, ncclBroadcast);

namespace {

void check_nccl(ncclResult_t status, const char* expression, const char* file, int line) {
  if (status != ncclSuccess) fail("NCCL", expression, ncclGetErrorString(status), file, line);
}
#define MEC_CHECK_NCCL(expression) check_nccl((expression), #expression, __FILE__, __LINE__)

std::size_t bytes_of(In x) { return static_cast<std::size_t>(x.numel() * size_of(x.dtype)); }

// Time that passes while this process runs. A pause of more than a second between two looks, as of
// a job that is suspended, counts as one.
class Waiting {
 public:
  double seconds() {
    const auto now = Clock::now();
    seconds_ += std::min(std::chrono::duration<double>(now - last_).count(), 1.0);
    last_ = now;
    return seconds_;
  }

 private:
  using Clock = std::chrono::steady_clock;
  Clock::time_point last_ = Clock::now();
  double seconds_ = 0;
};

// Looks, in a thread of its own, whether peers fail and whether the device gets on.
class Watch {
 public:
  Watch(int device, const Collectives::Membership& membership)
      : patience_(membership.patience), on_failure_(membership.on_failure), thread_([this, device] { run(device); }) {}
  ~Watch() {
    {
      const std::lock_guard lock(mutex_);
      ended_ = true;
    }
    wake_.notify_all();
    thread_.join();
  }

  void joined(ncclComm_t group) {
    const std::lock_guard lock(mutex_);
    group_ = group;
  }
  void wait_for(Event event) {
    const std::lock_guard lock(mutex_);
    events_.push_back(std::move(event));
  }

 private:
  void run(int device) {
    static_cast<void>(cudaSetDevice(device));
    Waiting waiting;
    std::unique_lock lock(mutex_);
    while (!ended_) {
      const std::string failure = look(waiting);
      if (!failure.empty()) {
        lock.unlock();
        if (on_failure_) on_failure_(failure);
        return;
      }
      wake_.wait_for(lock, std::chrono::milliseconds(100));
    }
  }

  std::string look(Waiting& waiting) {
    if (group_) {
      ncclResult_t status = ncclSuccess;
      if (ncclCommGetAsyncError(group_, &status) == ncclSuccess && status != ncclSuccess && status != ncclInProgress)
        return concat("NCCL: ", ncclGetErrorString(status));
      if (!events_.empty() && cudaEventQuery(events_.front().get()) == cudaSuccess) {
        events_.pop_front();
        waiting = {};
      }
      if (events_.empty()) waiting = {};
    }
    if (waiting.seconds() < patience_) return "";
    return concat("NCCL: other processes have not come for ", patience_,
                  " s (MEC_PATIENCE): one hangs, or its machine is gone");
  }

  const double patience_;
  const std::function<void(const std::string&)> on_failure_;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool ended_ = false;
  ncclComm_t group_ = nullptr;  // null while it is joined, which is a wait, too
  std::deque<Event> events_;    // that the device has not reached
  std::thread thread_;
};

class NcclCollectives final : public Collectives {
 public:
  NcclCollectives(int device, cudaStream_t stream) : device_(device), stream_(stream) {
    MEC_CHECK_NCCL(ncclGetVersion(&version_));
  }
  // Where an error ends this process, peers may never come.
  ~NcclCollectives() override {
    watch_.reset();
    if (!group_) return;
    const bool ends_well = std::uncaught_exceptions() == 0 && cudaStreamSynchronize(stream_) == cudaSuccess;
    static_cast<void>(ends_well ? ncclCommDestroy(group_) : ncclCommAbort(group_));
  }

  std::string library() const override {
    return concat("NCCL ", version_ / 10000, ".", version_ / 100 % 100, ".", version_ % 100);
  }
  std::string meeting_point() override {
    ncclUniqueId id;
    MEC_CHECK_NCCL(ncclGetUniqueId(&id));
    return {id.internal, sizeof id.internal};
  }
  void join(const Membership& membership) override {
    ncclUniqueId id;
    check<ValueError>(membership.meeting_point.size() == sizeof id.internal, "NCCL: a meeting point has ", sizeof id.internal,
                      " bytes, but this one ", membership.meeting_point.size());
    std::memcpy(id.internal, membership.meeting_point.data(), sizeof id.internal);
    MEC_CHECK_CUDA(cudaSetDevice(device_));
    watch_ = std::make_unique<Watch>(device_, membership);
    MEC_CHECK_NCCL(ncclCommInitRank(&group_, membership.size, id, membership.rank));
    watch_->joined(group_);
  }

  void all_gather(In own, Out all) override {
    MEC_CHECK_NCCL(ncclAllGather(own.data, all.data, bytes_of(own), ncclUint8, group_, stream_));
  }
  void all_reduce(Out t) override {
    const ncclDataType_t type = t.dtype == Dtype::f64 ? ncclFloat64 : ncclFloat32;
    MEC_CHECK_NCCL(ncclAllReduce(t.data, t.data, static_cast<std::size_t>(t.numel()), type, ncclSum, group_, stream_));
  }
  void broadcast(Out t) override { MEC_CHECK_NCCL(ncclBroadcast(t.data, t.data, bytes_of(t), ncclUint8, 0, group_, stream_)); }
  void watch() override {
    Event event = make_event();
    MEC_CHECK_CUDA(cudaEventRecord(event.get(), stream_));
    watch_->wait_for(std::move(event));
  }

 private:
  int device_, version_ = 0;
  cudaStream_t stream_;
  ncclComm_t group_ = nullptr;
  std::unique_ptr<Watch> watch_;
};

}  // namespace

std::unique_ptr<Collectives> make_collectives(int device, cudaStream_t stream) {
  return std::make_unique<NcclCollectives>(device, stream);
}

}  // namespace mec::cuda
