#include "mec/tensor/backends/cuda/runtime/transfers.h"

#include <cstring>
#include <vector>

namespace mec::cuda {

namespace {

constexpr std::size_t kSmall = std::size_t{64} << 10;
constexpr std::size_t kSmallBlocks = 64;
constexpr std::size_t kLarge = std::size_t{8} << 20;
constexpr std::size_t kLargeBlocks = 64;  // 512 MiB at most: two views of a large batch

// A few numbers: copied straight to their place, in the stream's order.
class SmallBlock : public StagingRing::Block {
 public:
  SmallBlock(std::size_t bytes, cudaStream_t compute)
      : host_(make_pinned_memory(bytes)), done_(make_event()), compute_(compute) {}
  std::byte* host() override { return static_cast<std::byte*>(host_.get()); }
  void send(void* to, std::size_t bytes) override {
    MEC_CHECK_CUDA(cudaMemcpyAsync(to, host_.get(), bytes, cudaMemcpyHostToDevice, compute_));
    MEC_CHECK_CUDA(cudaEventRecord(done_.get(), compute_));
  }
  bool arrived() override {
    const cudaError_t status = cudaEventQuery(done_.get());
    if (status == cudaErrorNotReady) {
      static_cast<void>(cudaGetLastError());  // or the next launch would be blamed for it
      return false;
    }
    MEC_CHECK_CUDA(status);
    return true;
  }
  void wait() override { MEC_CHECK_CUDA(cudaEventSynchronize(done_.get())); }

 protected:
  PinnedMemory host_;
  Event done_;
  cudaStream_t compute_;
};

// Images. The copy stream brings them to a block of device memory at once, while the device is
// still busy with earlier work; the compute stream then copies them to their place, in its order.
// That second copy takes a hundredth of the time of the first.
class LargeBlock final : public SmallBlock {
 public:
  LargeBlock(std::size_t bytes, cudaStream_t compute, cudaStream_t copy)
      : SmallBlock(bytes, compute), device_(make_device_memory(bytes)), crossed_(make_event()), copy_(copy) {}
  void send(void* to, std::size_t bytes) override {
    MEC_CHECK_CUDA(cudaMemcpyAsync(device_.get(), host_.get(), bytes, cudaMemcpyHostToDevice, copy_));
    MEC_CHECK_CUDA(cudaEventRecord(crossed_.get(), copy_));
    MEC_CHECK_CUDA(cudaStreamWaitEvent(compute_, crossed_.get(), 0));
    MEC_CHECK_CUDA(cudaMemcpyAsync(to, device_.get(), bytes, cudaMemcpyDeviceToDevice, compute_));
    MEC_CHECK_CUDA(cudaEventRecord(done_.get(), compute_));
  }

 private:
  DeviceMemory device_;
  Event crossed_;
  cudaStream_t copy_;
};

class SmallBlocks final : public StagingRing::Source {
 public:
  explicit SmallBlocks(cudaStream_t compute) : compute_(compute) {}
  std::unique_ptr<StagingRing::Block> make_block(std::size_t bytes) override {
    return std::make_unique<SmallBlock>(bytes, compute_);
  }

 private:
  cudaStream_t compute_;
};

class LargeBlocks final : public StagingRing::Source {
 public:
  LargeBlocks(cudaStream_t compute, cudaStream_t copy) : compute_(compute), copy_(copy) {}
  std::unique_ptr<StagingRing::Block> make_block(std::size_t bytes) override {
    return std::make_unique<LargeBlock>(bytes, compute_, copy_);
  }

 private:
  cudaStream_t compute_, copy_;
};

}  // namespace

// A pool of pinned memory that results are read into: allocating some takes the driver far longer
// than a copy.
struct Transfers::ReadPool {
  struct Block {
    std::size_t bytes = 0;
    PinnedMemory memory;
    Event arrived;
  };

  Block take(std::size_t bytes) {
    for (auto block = free.begin(); block != free.end(); ++block) {
      if (block->bytes < bytes) continue;
      Block taken = std::move(*block);
      free.erase(block);
      return taken;
    }
    const std::size_t rounded = (bytes + kPage - 1) / kPage * kPage;
    return {rounded, make_pinned_memory(rounded), make_event()};
  }

  class Read final : public HostCopy {
   public:
    Read(std::shared_ptr<ReadPool> pool, Block block, std::size_t bytes)
        : pool_(std::move(pool)), block_(std::move(block)), bytes_(bytes) {}
    // The block is free at once: a later copy into it comes later in the same stream.
    ~Read() override { pool_->free.push_back(std::move(block_)); }
    void wait(void* host) override {
      MEC_CHECK_CUDA(cudaEventSynchronize(block_.arrived.get()));
      std::memcpy(host, block_.memory.get(), bytes_);
    }

   private:
    std::shared_ptr<ReadPool> pool_;
    Block block_;
    std::size_t bytes_;
  };

  static constexpr std::size_t kPage = 4096;
  std::vector<Block> free;
};

Transfers::Transfers(cudaStream_t compute)
    : compute_(compute),
      copy_(make_stream()),
      small_(std::make_unique<SmallBlocks>(compute), kSmall, kSmallBlocks),
      large_(std::make_unique<LargeBlocks>(compute, copy_.get()), kLarge, kLargeBlocks),
      reads_(std::make_shared<ReadPool>()) {}

// No copy may still read or write memory that is freed now.
Transfers::~Transfers() {
  static_cast<void>(cudaStreamSynchronize(copy_.get()));
  static_cast<void>(cudaStreamSynchronize(compute_));
}

void Transfers::upload(const void* host, void* to, std::size_t bytes) {
  (bytes <= kSmall ? small_ : large_).upload(host, to, bytes);
}

void Transfers::download(const void* from, void* host, std::size_t bytes) {
  MEC_CHECK_CUDA(cudaMemcpyAsync(host, from, bytes, cudaMemcpyDeviceToHost, compute_));
  MEC_CHECK_CUDA(cudaStreamSynchronize(compute_));
}

std::unique_ptr<HostCopy> Transfers::read_later(const void* from, std::size_t bytes) {
  ReadPool::Block block = reads_->take(bytes);
  MEC_CHECK_CUDA(cudaMemcpyAsync(block.memory.get(), from, bytes, cudaMemcpyDeviceToHost, compute_));
  MEC_CHECK_CUDA(cudaEventRecord(block.arrived.get(), compute_));
  return std::make_unique<ReadPool::Read>(reads_, std::move(block), bytes);
}

}  // namespace mec::cuda
