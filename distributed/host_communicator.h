// A communicator over memory of the host: three ways to move bytes are all that it needs.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "mec/distributed/communicator.h"

namespace mec {

// Tensors of a device whose memory the host cannot read are copied over and back.
class HostCommunicator : public Communicator {
 public:
  Tensor all_gather(const Tensor& own) override;
  void broadcast(const Tensor& t) override;
  std::int64_t broadcast(std::int64_t number) override;
  double maximum(double value) override;

 protected:
  void reduce(const Tensor& t) override;

  // Each returns when `to` is filled and `from` may be changed. Errors are DeviceError.
  //
  // Every rank's `from`, in rank order. `from` may be this rank's block of `to`.
  virtual void gather_bytes(std::span<const std::byte> from, std::span<std::byte> to) = 0;
  // `from` and `to` are size() blocks of one length: block r of `from` goes to rank r, block r of
  // `to` comes from it.
  virtual void exchange_bytes(std::span<const std::byte> from, std::span<std::byte> to) = 0;
  virtual void broadcast_bytes(std::span<std::byte> bytes) = 0;  // rank 0's

 private:
  template <class T> std::span<T> scratch(std::size_t count);
  template <class T> void reduce_few(std::span<T> values);
  template <class T> void reduce_as(std::span<T> values);

  std::vector<std::byte> scratch_;
};

}  // namespace mec
