// The GPU backend: NVIDIA's libraries around our own kernels.
//
// All work is started on one stream, in the order of the calls. Only synchronize() and reading on
// the host wait for it (and upload(), where all its staging blocks are in use). So memory that a
// tensor gave back may be handed out at once: its next user comes later in the stream.
#pragma once

#include <memory>
#include <string>

#include "mec/tensor/backends/cuda/cudnn/convolution_plans.h"
#include "mec/tensor/backends/cuda/cudnn/cudnn_stream.h"
#include "mec/tensor/backends/cuda/decompositions.h"
#include "mec/tensor/backends/cuda/kernels/kernel_backend.h"
#include "mec/tensor/backends/cuda/products.h"
#include "mec/tensor/backends/cuda/runtime/runtime.h"
#include "mec/tensor/backends/cuda/runtime/transfers.h"
#include "mec/tensor/devices.h"

namespace mec::cuda {

// Rounds up to where another part of the same scratch memory may begin.
constexpr std::size_t rounded(std::size_t bytes) { return (bytes + 255) / 256 * 256; }

class CudaBackend final : public MEC_SIMT::KernelBackend {
 public:
  explicit CudaBackend(const CudaOptions& options);
  ~CudaBackend() override;

  std::string name() const override { return "cuda"; }
  CachingAllocator& allocator() override { return allocator_; }
  // Tensor cores want whole groups of 8 channels: with 3 or 4, cuDNN repacks ImageNet's images by
  // itself, with 200 MB of workspace.
  std::int64_t image_channels(std::int64_t file_channels) const override { return (file_channels + 7) / 8 * 8; }
  bool supports(Dtype dtype) const override { return dtype == Dtype::f32 || dtype == Dtype::bf16; }

  void synchronize() override;
  std::unique_ptr<Capture> make_capture() override;
  std::unique_ptr<HostCopy> read_later(In x) override;
  std::unique_ptr<Collectives> make_collectives() override;
  void upload(const void* host, Out y) override;
  void download(In x, void* host) override;

  simt::Stream stream() const override;

 private:
  // The kernels of CUDA's libraries: backend.cu, convolution.cu.
  friend void run(CudaBackend&, const kernel::Matmul&);
  friend void run(CudaBackend&, const kernel::Conv2d&);
  friend void run(CudaBackend&, const kernel::Conv2dGradInput&);
  friend void run(CudaBackend&, const kernel::Conv2dGradWeight&);
  friend void run(CudaBackend&, const kernel::Lu&);
  friend void run(CudaBackend&, const kernel::LuInverse&);
  friend void run(CudaBackend&, const kernel::Cholesky&);

  class StreamCapture;
  class Tuning;

  void refuse_in_capture(const char* what, const Shape& shape) const;
  ConvolutionPolicy policy() const { return {.tf32 = options_.tf32, .deterministic = options_.deterministic}; }
  bool nothing_to_sum(In a, In b, Out result, bool accumulate);
  void run_convolution(const ConvolutionKey& key, const ConvolutionPointers& pointers);
  const ConvolutionPlan& plan_of(const ConvolutionKey& key);
  double time_plan(const ConvolutionPlan& plan);

  CudaOptions options_;
  Stream stream_;
  CachingAllocator allocator_;
  Transfers transfers_;
  Products products_;
  Decompositions decompositions_;
  CudnnStream cudnn_;
  ConvolutionPlans plans_;
  std::size_t saved_changes_ = 0;   // changes() when the plan file was written
  std::unique_ptr<Tuning> tuning_;  // while engines are timed
  bool capturing_ = false;
};

extern const ConvolutionKernels convolution_kernels;  // convolution.cu

}  // namespace mec::cuda
