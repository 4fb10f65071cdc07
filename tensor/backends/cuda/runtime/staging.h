// StagingRing: blocks of memory that uploads pass through in turn, so that the caller may overwrite
// its data at once and waits for the device only when every block is on its way.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

namespace mec::cuda {

class StagingRing {
 public:
  // Host memory that copies are made from, with whatever else a copy needs.
  class Block {
   public:
    virtual ~Block() = default;
    virtual std::byte* host() = 0;
    // Starts copying the first `bytes` to device memory.
    virtual void send(void* to, std::size_t bytes) = 0;
    virtual bool arrived() = 0;                          // whether the last copy is over
    virtual void wait() = 0;                             // until it is
  };
  class Source {
   public:
    virtual ~Source() = default;
    virtual std::unique_ptr<Block> make_block(std::size_t bytes) = 0;
  };

  // Up to `most` blocks, made as they are needed.
  StagingRing(std::unique_ptr<Source> source, std::size_t block_bytes, std::size_t most);

  void upload(const void* host, void* to, std::size_t bytes);
  std::size_t blocks() const { return blocks_.size(); }

 private:
  Block& next();

  std::unique_ptr<Source> source_;
  std::size_t block_bytes_, most_;
  std::vector<std::unique_ptr<Block>> blocks_;
  std::size_t oldest_ = 0;  // the block that was sent longest ago
};

}  // namespace mec::cuda
