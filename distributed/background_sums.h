// Sums over ranks that go on while the caller works on.
#pragma once

#include <cstddef>
#include <deque>
#include <memory>
#include <span>
#include <vector>

#include "mec/distributed/host_communicator.h"

namespace mec {

// sum ← Σ over the blocks of sum.size() values, in their order.
template <class T> void add_up(std::span<const T> blocks, std::span<T> sum) {
  for (std::size_t i = 0; i < sum.size(); ++i) sum[i] = blocks[i];
  for (std::size_t at = sum.size(); at < blocks.size(); at += sum.size()) {
    for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += blocks[at + i];
  }
}

// Of each tensor, each rank receives one block from all ranks, adds them up in the order of ranks,
// and sends the sum to all. No thread: messages move, and blocks are added, where the caller asks.
class BackgroundSums {
 public:
  // Two communicators of the same ranks, which nobody else uses. A rank begins the second message
  // of a sum when the first has come, which is at another moment on each: so the first and the
  // second messages have an order each, that of the sums.
  BackgroundSums(std::shared_ptr<HostCommunicator> exchanges, std::shared_ptr<HostCommunicator> gathers);
  ~BackgroundSums();

  // As Communicator::begin_sum(), for as many values as the ranks divide, which the host can reach.
  void begin(const Tensor& t);
  void advance();
  void finish();

 private:
  // What becomes of a tensor, in this order.
  enum class Stage { queued, exchanging, gathering };
  struct Sum {
    Tensor tensor;
    Stage stage = Stage::queued;
    std::vector<std::byte> blocks = {};  // of this rank's part, from all ranks
    std::unique_ptr<Message> message = {};

    std::span<std::byte> bytes() const;
  };

  void begin_exchange(Sum& sum);
  void begin_gather(Sum& sum);  // adds up the blocks first

  std::shared_ptr<HostCommunicator> exchanges_, gathers_;
  std::deque<Sum> sums_;                        // in the order in which they were begun
  std::vector<std::vector<std::byte>> unused_;  // memory for blocks
};

}  // namespace mec
