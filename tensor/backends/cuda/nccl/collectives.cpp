#include "mec/tensor/backends/cuda/nccl/collectives.h"

#include <nccl.h>

#include <chrono>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <thread>

#include "mec/tensor/backends/cuda/runtime/library.h"
#include "mec/tensor/waiting.h"

namespace mec::cuda {

MEC_FUNCTION_OF(nccl, ncclGetVersion);
MEC_FUNCTION_OF(nccl, ncclGetUniqueId);
MEC_FUNCTION_OF(nccl, ncclCommInitRank);
MEC_FUNCTION_OF(nccl, ncclCommDestroy);
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

  // The calling thread waits for peers, to join them or to leave them, until it sets another state.
  void host_waits() { set(nullptr); }
  void host_goes_on(ncclComm_t comm) { set(comm); }
  // The stream was given work that peers take part in.
  void given(cudaStream_t stream) {
    const std::lock_guard lock(mutex_);
    if (!latest_) latest_ = make_event();
    MEC_CHECK_CUDA(cudaEventRecord(latest_.get(), stream));
  }

 private:
  void set(ncclComm_t comm) {
    const std::lock_guard lock(mutex_);
    comm_ = comm;
    waiting_ = {};
  }

  void run(int device) {
    static_cast<void>(cudaSetDevice(device));
    std::unique_lock lock(mutex_);
    while (!ended_) {
      const std::string failure = look();
      if (!failure.empty()) {
        lock.unlock();
        on_failure_(failure);
        return;
      }
      wake_.wait_for(lock, std::chrono::milliseconds(100));
    }
  }

  // Why this process should end; "" where it should not.
  std::string look() {
    if (comm_) {
      ncclResult_t status = ncclSuccess;
      if (ncclCommGetAsyncError(comm_, &status) == ncclSuccess && status != ncclSuccess && status != ncclInProgress)
        return concat("NCCL: ", ncclGetErrorString(status));
      if (awaited_) {
        const cudaError_t reached = cudaEventQuery(awaited_.get());
        if (reached != cudaSuccess && reached != cudaErrorNotReady) return concat("CUDA: ", cudaGetErrorString(reached));
        if (reached == cudaSuccess) awaited_.reset();
      }
      if (!awaited_) {
        awaited_ = std::move(latest_);
        waiting_ = {};
        if (!awaited_) return "";
      }
    }
    if (waiting_.seconds() < patience_) return "";
    return concat("NCCL: other processes have not come for ", patience_,
                  " s (MEC_PATIENCE): one hangs, or its machine is gone");
  }

  const double patience_;
  const std::function<void(const std::string&)> on_failure_;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool ended_ = false;
  ncclComm_t comm_ = nullptr;  // null while the host waits
  // Behind all work that was given, and behind the work that was all when this thread last looked
  // for more: the device gets on where it reaches the second one.
  Event latest_, awaited_;
  Waiting waiting_;
  std::thread thread_;
};

class NcclCollectives final : public Collectives {
 public:
  NcclCollectives(int device, cudaStream_t stream) : device_(device), stream_(stream) {
    MEC_CHECK_NCCL(ncclGetVersion(&version_));
    check<DeviceError>(version_ >= kOldest, "device cuda: ", library(), " is older than 2.14");
  }
  // Peers may be at other work yet.
  ~NcclCollectives() override {
    if (!comm_) return;
    watch_->host_waits();
    static_cast<void>(cudaStreamSynchronize(stream_));
    static_cast<void>(cudaStreamSynchronize(sums_.get()));
    static_cast<void>(ncclCommDestroy(comm_));
  }

  std::string library() const override {
    return concat("NCCL ", version_ / 10000, ".", version_ / 100 % 100, ".", version_ % 100);
  }
  std::string unique_id() override {
    ncclUniqueId id;
    MEC_CHECK_NCCL(ncclGetUniqueId(&id));
    return {id.internal, sizeof id.internal};
  }
  void join(const Membership& membership) override {
    ncclUniqueId id;
    check<ValueError>(membership.unique_id.size() == sizeof id.internal, "NCCL: a unique id has ", sizeof id.internal,
                      " bytes, but this one ", membership.unique_id.size());
    check<ValueError>(membership.on_failure != nullptr, "NCCL: nobody would hear of a failure (on_failure)");
    std::memcpy(id.internal, membership.unique_id.data(), sizeof id.internal);
    MEC_CHECK_CUDA(cudaSetDevice(device_));
    watch_ = std::make_unique<Watch>(device_, membership);
    sums_ = make_stream();
    MEC_CHECK_NCCL(ncclCommInitRank(&comm_, membership.size, id, membership.rank));
    watch_->host_goes_on(comm_);
  }

  void all_gather(In own, Out all) override {
    MEC_CHECK_NCCL(ncclAllGather(own.data, all.data, bytes_of(own), ncclUint8, comm_, stream_));
    watch();
  }
  void all_reduce(Out t) override {
    add_up(t, stream_);
    watch();
  }
  void begin_sum(Out t) override {
    put_behind(sums_.get(), stream_);
    add_up(t, sums_.get());
    summing_ = true;
  }
  void finish_sums() override {
    if (!summing_) return;
    summing_ = false;
    put_behind(stream_, sums_.get());
    watch();
  }
  void broadcast(Out t) override {
    MEC_CHECK_NCCL(ncclBroadcast(t.data, t.data, bytes_of(t), ncclUint8, 0, comm_, stream_));
    watch();
  }
  void watch() override {
    cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
    MEC_CHECK_CUDA(cudaStreamIsCapturing(stream_, &status));
    if (status == cudaStreamCaptureStatusNone) watch_->given(stream_);
  }

 private:
  static constexpr int kOldest = 21400;  // it has ncclInProgress

  void add_up(Out t, cudaStream_t stream) {
    const ncclDataType_t type = t.dtype == Dtype::f64 ? ncclFloat64 : ncclFloat32;
    MEC_CHECK_NCCL(ncclAllReduce(t.data, t.data, static_cast<std::size_t>(t.numel()), type, ncclSum, comm_, stream));
  }
  // What `later` is given from now on waits for what `earlier` was given so far.
  void put_behind(cudaStream_t later, cudaStream_t earlier) {
    const Event reached = make_event();
    MEC_CHECK_CUDA(cudaEventRecord(reached.get(), earlier));
    MEC_CHECK_CUDA(cudaStreamWaitEvent(later, reached.get(), 0));
  }

  int device_, version_ = 0;
  cudaStream_t stream_;
  Stream sums_;           // of sums that go on beside it
  bool summing_ = false;  // some have not been finished
  ncclComm_t comm_ = nullptr;
  std::unique_ptr<Watch> watch_;
};

}  // namespace

std::unique_ptr<Collectives> make_collectives(int device, cudaStream_t stream) {
  return std::make_unique<NcclCollectives>(device, stream);
}

}  // namespace mec::cuda
