// A communicator over memory of the host: three ways to move bytes are all that it needs.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include "mec/distributed/communicator.h"

namespace mec {

// Bytes on their way between ranks.
class Message {
 public:
  virtual ~Message() = default;
  virtual bool done() = 0;  // whether it has come; lets it move on. Not to be asked again once it has
  virtual void wait() = 0;
};

class BackgroundSums;

// Tensors of a device whose memory the host cannot read are copied over and back, and their sums
// are taken at once, so that they are best taken of all together.
class HostCommunicator : public Communicator {
 public:
  HostCommunicator();
  ~HostCommunicator() override;
  void advance_sums() override;
  void finish_sums() override;
  std::int64_t bytes_of_sum(const Device& device) const override;
  Tensor all_gather(const Tensor& own) override;
  void broadcast(const Tensor& t) override;
  std::int64_t broadcast(std::int64_t number) override;
  double maximum(double value) override;

 protected:
  void reduce(const Tensor& t) override;
  void begin_reduce(const Tensor& t) override;

  // Each returns when `to` is filled and `from` may be changed. Errors are DeviceError.
  //
  // Every rank's `from`, in rank order. `from` may be this rank's block of `to`.
  virtual void gather_bytes(std::span<const std::byte> from, std::span<std::byte> to) = 0;
  // `from` and `to` are size() blocks of one length: block r of `from` goes to rank r, block r of
  // `to` comes from it.
  virtual void exchange_bytes(std::span<const std::byte> from, std::span<std::byte> to) = 0;
  virtual void broadcast_bytes(std::span<std::byte> bytes) = 0;  // rank 0's
  // The first two, begun: all ranks begin in one order, and wait when they like. Null: it has come.
  virtual std::unique_ptr<Message> begin_gather(std::span<const std::byte> from, std::span<std::byte> to);
  virtual std::unique_ptr<Message> begin_exchange(std::span<const std::byte> from, std::span<std::byte> to);

 private:
  friend class BackgroundSums;

  template <class T> std::span<T> scratch(std::size_t count);
  template <class T> void reduce_few(std::span<T> values);
  template <class T> void reduce_as(std::span<T> values);

  std::vector<std::byte> scratch_;
  std::unique_ptr<BackgroundSums> sums_;  // null before the first one
};

}  // namespace mec
