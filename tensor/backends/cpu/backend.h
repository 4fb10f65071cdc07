// The CPU backend's part that does not depend on the instruction set: memory, random numbers, and
// the choice, for products, convolutions and decompositions, between a library and our own portable
// kernels.
#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <mutex>
#include <thread>

#include "mec/tensor/backend.h"
#include "mec/tensor/backends/cpu/thread_pool.h"
#include "mec/tensor/backends/cpu/threads.h"
#include "mec/tensor/devices.h"

namespace mec::cpu {

class OneDnn;

// Which of a convolution's three tensors is the result; the other two are its operands in the order
// of its kernel (kernels/convolution.h).
enum class ConvDirection : std::uint8_t { forward, grad_input, grad_weight };

// Most taps (Kh·Kw) that a kernel of the portable convolutions may have, since they lie on the
// stack: 16 x 16.
constexpr std::int64_t kMaxPortableTaps = 256;

// Rounds up, so that the next part of a block of memory starts at a cache line.
constexpr std::size_t aligned(std::size_t bytes) { return (bytes + 63) / 64 * 64; }

// The kernels that are compiled once for each instruction set.
struct Loops {
  MemoryKernels memory;
  ElementwiseKernels elementwise;
  ReduceKernels reduce;
  MatmulKernels portable_matmul;
  ConvolutionKernels portable_convolution;
  BatchNormKernels batch_norm;
  PoolingKernels pooling;
  RowKernels rows;
  CodingKernels coding;
  TsneKernels tsne;
  OptimizerKernels optimizer;
};

class CpuBackend : public Backend {
 public:
  CpuBackend(const CpuOptions& options, const Loops& loops);
  ~CpuBackend() override;

  std::string name() const override;
  CachingAllocator& allocator() override;
  std::int64_t image_channels(std::int64_t file_channels) const override;
  bool supports(Dtype dtype) const override;
  bool host_readable() const override;

  void upload(const void* host, Out y) override;
  void download(In x, void* host) override;

  // oneDNN's name for the kernel that it would use, empty when it is our own.
  std::string convolution_kernel(ConvDirection direction, In a, In b, In result, const Conv2dArgs& args);

  // Temporary memory of one kernel, from a block that grows to the largest request and is kept.
  // Holds the backend's lock: threads that share a device take turns where a kernel needs such
  // memory. Error where the kernel holds a Scratch already: it would wait for itself.
  class Scratch {
   public:
    Scratch(CpuBackend& backend, std::size_t bytes);
    ~Scratch();
    Scratch(const Scratch&) = delete;
    Scratch& operator=(const Scratch&) = delete;

    std::byte* data() const { return data_; }
    template <class T> T* as() const { return reinterpret_cast<T*>(data_); }

   private:
    CpuBackend& backend_;
    std::byte* data_;
  };

  Team team() const { return {threads_, pool_.get()}; }

 protected:
  virtual void portable_lu(Out a, Out pivots) = 0;
  virtual void portable_lu_inverse(In lu, In pivots, Out inverse) = 0;
  virtual bool portable_cholesky(Out a) = 0;  // false: not positive definite

 private:
  // The kernels in backend.cpp: those that choose between a library and our own code, and those
  // that are the same for every instruction set.
  friend void run(CpuBackend&, const kernel::FillRandom&);
  friend void run(CpuBackend&, const kernel::Matmul&);
  friend void run(CpuBackend&, const kernel::Lu&);
  friend void run(CpuBackend&, const kernel::LuInverse&);
  friend void run(CpuBackend&, const kernel::Cholesky&);
  friend void run(CpuBackend&, const kernel::Conv2d&);
  friend void run(CpuBackend&, const kernel::Conv2dBatchNorm&);
  friend void run(CpuBackend&, const kernel::Conv2dGradInput&);
  friend void run(CpuBackend&, const kernel::Conv2dGradWeight&);

  // False when oneDNN has no kernel for it.
  bool library_convolution(ConvDirection direction, In a, In b, Out result, const Conv2dArgs& args);
  bool widened_convolution(ConvDirection direction, In a, In b, Out result, const Conv2dArgs& args);
  // For decompositions: one where the pool has the processors.
  int library_threads() const { return pool_ ? 1 : threads_; }

  const MatmulKernels portable_matmul_;
  const ConvolutionKernels portable_convolution_;
  const bool own_products_;        // convolutions too
  const bool own_decompositions_;
  const bool widens_bf16_;
  const int threads_;
  const std::unique_ptr<ThreadPool> pool_;
  CachingAllocator allocator_;
  std::mutex mutex_;                     // guards scratch_ and plans that run
  std::atomic<std::thread::id> holder_;  // of the mutex
  std::byte* scratch_ = nullptr;
  std::size_t scratch_bytes_ = 0;
  std::unique_ptr<OneDnn> onednn_;
};

}  // namespace mec::cpu
