#include "mec/tensor/backends/wrappers/recording.h"

#include <utility>

namespace mec {
namespace {

// Segments come from the inner device's allocator, hence from its kind of memory.
Upstream memory_of(const Device& device) {
  const auto allocate = [device](std::size_t bytes) -> void* {
    try {
      return device->allocator().allocate(bytes);
    } catch (const OutOfMemory&) {
      return nullptr;
    }
  };
  const auto release = [device](void* memory, std::size_t) {
    device->allocator().deallocate(memory);
    device->allocator().trim();
  };
  return {.allocate = allocate, .release = release, .extend = {}, .granule = device->allocator().granule()};
}

class RecordingCapture final : public Capture {
 public:
  explicit RecordingCapture(RecordingBackend& device) : device_(device) {}
  ~RecordingCapture() override {
    device_.allocator().freeze(false);
    device_.forget();
  }
  void begin() override {
    device_.begin();
    device_.allocator().freeze();
  }
  void end() override {
    device_.allocator().freeze(false);
    device_.end();
  }
  void replay() override { device_.replay(); }

 private:
  RecordingBackend& device_;
};

}  // namespace

RecordingBackend::RecordingBackend(Device inner) : ForwardingBackend(inner), memory_(memory_of(inner)) {}

void RecordingBackend::upload(const void* host, Out y) {
  check<ValueError>(state_ != State::recording, "recording: a step copies ", y.shape, " from the host; ",
                    "fill a tensor made before the step instead, between replays");
  ForwardingBackend::upload(host, y);
}

void RecordingBackend::download(In x, void* host) {
  check<ValueError>(state_ != State::recording, "recording: a step reads ", x.shape, " on the host; ",
                    "read it after the step instead");
  ForwardingBackend::download(x, host);
}

RecordingBackend::~RecordingBackend() { forget(); }

std::unique_ptr<Capture> RecordingBackend::make_capture() { return std::make_unique<RecordingCapture>(*this); }

void RecordingBackend::begin() {
  forget();
  state_ = State::recording;
}

void RecordingBackend::forget() {
  calls_.clear();
  for (void* memory : std::exchange(retired_, {})) memory_.deallocate(memory);
  state_ = State::idle;
}

void RecordingBackend::end() {
  check<ValueError>(state_ == State::recording, "recording: end() without begin()");
  retired_ = memory_.retire_free_blocks();
  state_ = State::recorded;
}

void RecordingBackend::replay() const {
  check<ValueError>(state_ == State::recorded, "recording: replay() needs a recording, made between begin() and end()");
  for (const auto& call : calls_) call();
}

void RecordingBackend::on_call(KernelCall call) {
  if (state_ == State::recording) calls_.push_back(std::move(call.run));
  else ForwardingBackend::on_call(std::move(call));
}

}  // namespace mec
