// RecordingBackend: records the kernels of a training step on any device and replays them, as a
// CUDA graph does.
#pragma once

#include <functional>
#include <vector>

#include "mec/tensor/backends/wrappers/forwarding.h"

namespace mec {

// Outside a recording, kernels run on the inner device at once. Between begin() and end() they are
// kept with their arguments and not run; replay() runs them in that order. What changes from one
// replay to the next must lie in tensors that live before the step is recorded: the caller fills
// them between replays. Tensors that outlive the recorded step must be kept by the caller for as
// long as it is replayed; the memory of all others is held by this device and used by nothing else.
class RecordingBackend final : public ForwardingBackend {
 public:
  explicit RecordingBackend(Device inner);
  ~RecordingBackend() override;

  // An allocator of its own, so that memory that a replay writes to is given to nothing else.
  CachingAllocator& allocator() override { return memory_; }

  bool host_readable() const override { return state_ != State::recording && ForwardingBackend::host_readable(); }
  // Host access inside a step cannot be replayed: ValueError while recording.
  void upload(const void* host, Out y) override;
  void download(In x, void* host) override;

  // begin(), end() and replay() below, with the memory frozen in between: a training loop runs here
  // as it does on a GPU.
  std::unique_ptr<Capture> make_capture() override;

  // Forgets what was recorded before, finished or not.
  void begin();
  void end();                                         // ValueError when nothing was begun
  void replay() const;                                // ValueError before end()
  void forget();                                      // as after construction: kernels run at once
  std::size_t size() const { return calls_.size(); }  // recorded kernels

 protected:
  void on_call(KernelCall call) override;

 private:
  enum class State { idle, recording, recorded };

  CachingAllocator memory_;
  State state_ = State::idle;
  std::vector<std::function<void()>> calls_;
  std::vector<void*> retired_;  // what the recorded step writes to, and no tensor holds
};

}  // namespace mec
