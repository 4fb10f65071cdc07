#include "mec/tensor/backends/cuda/backend.h"

namespace mec::cuda {

// A CUDA graph of the work that was given to the backend's stream.
class CudaBackend::StreamCapture final : public Capture {
 public:
  explicit StreamCapture(CudaBackend& device) : device_(device) {}
  ~StreamCapture() override {
    // A capture that has not ended: leave() ends it, and the graph of what was captured so far is
    // dropped.
    if (device_.capturing_) leave();
    graph_.reset();
    // A replay may still write to the retired memory.
    static_cast<void>(cudaStreamSynchronize(device_.stream_.get()));
    for (void* memory : retired_) device_.allocator_.deallocate(memory);
  }

  void begin() override {
    check<ValueError>(!device_.capturing_ && !graph_, "cuda: a capture is already running, or this one has ended");
    selected();
    // Threads that load images may allocate and copy meanwhile.
    MEC_CHECK_CUDA(cudaStreamBeginCapture(device_.stream_.get(), cudaStreamCaptureModeThreadLocal));
    device_.capturing_ = true;
    device_.allocator_.freeze();
  }

  void end() override {
    check<ValueError>(device_.capturing_, "cuda: the end of a capture that did not begin");
    const Graph graph = leave();
    check<DeviceError>(static_cast<bool>(graph),
                       "cuda: the step could not be captured: something in it is not allowed within a capture; "
                       "without one it runs all the same (TrainOptions::capture, --no-graph)");
    cudaGraphExec_t executable = nullptr;
    MEC_CHECK_CUDA(cudaGraphInstantiate(&executable, graph.get(), 0));
    graph_.reset(executable);
    retired_ = device_.allocator_.retire_free_blocks();
  }

  void replay() override {
    check<ValueError>(static_cast<bool>(graph_), "cuda: replay() needs a step that was captured, between begin() and end()");
    selected();
    MEC_CHECK_CUDA(cudaGraphLaunch(graph_.get(), device_.stream_.get()));
  }

 private:
  void selected() const { static_cast<void>(device_.stream()); }

  Graph leave() noexcept {
    device_.capturing_ = false;
    device_.allocator_.freeze(false);
    cudaGraph_t graph = nullptr;
    if (cudaStreamEndCapture(device_.stream_.get(), &graph) != cudaSuccess) static_cast<void>(cudaGetLastError());
    return Graph(graph);
  }

  CudaBackend& device_;
  GraphExec graph_;
  std::vector<void*> retired_;
};

std::unique_ptr<Capture> CudaBackend::make_capture() { return std::make_unique<StreamCapture>(*this); }

}  // namespace mec::cuda
