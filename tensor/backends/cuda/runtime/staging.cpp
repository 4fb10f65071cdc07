#include "mec/tensor/backends/cuda/runtime/staging.h"

#include <algorithm>
#include <cstring>

namespace mec::cuda {

StagingRing::StagingRing(std::unique_ptr<Source> source, std::size_t block_bytes, std::size_t most)
    : source_(std::move(source)), block_bytes_(block_bytes), most_(most) {}

// Blocks arrive in the order in which they were sent, so where the oldest has not, none has.
StagingRing::Block& StagingRing::next() {
  if (blocks_.empty() || !blocks_[oldest_]->arrived()) {
    if (blocks_.size() < most_) {
      const auto place = blocks_.begin() + static_cast<std::ptrdiff_t>(oldest_);
      blocks_.insert(place, source_->make_block(block_bytes_));
    } else {
      blocks_[oldest_]->wait();
    }
  }
  Block& block = *blocks_[oldest_];
  oldest_ = (oldest_ + 1) % blocks_.size();
  return block;
}

void StagingRing::upload(const void* host, void* to, std::size_t bytes) {
  for (std::size_t at = 0; at < bytes; at += block_bytes_) {
    const std::size_t piece = std::min(bytes - at, block_bytes_);
    Block& block = next();
    std::memcpy(block.host(), static_cast<const std::byte*>(host) + at, piece);
    block.send(static_cast<std::byte*>(to) + at, piece);
  }
}

}  // namespace mec::cuda
