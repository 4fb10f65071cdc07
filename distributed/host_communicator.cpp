#include "mec/distributed/host_communicator.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "mec/tensor/host_bytes.h"

namespace mec {

namespace {

template <class T> std::span<const std::byte> bytes_of(const std::vector<T>& values) {
  return std::as_bytes(std::span(values));
}
template <class T> std::span<std::byte> bytes_of(std::vector<T>& values) { return std::as_writable_bytes(std::span(values)); }

// A tensor's bytes, to be changed: in place where the host can reach them, else a copy that store()
// brings back.
class Bytes {
 public:
  explicit Bytes(const Tensor& tensor) : tensor_(tensor), in_place_(tensor.backend().host_readable()) {
    if (!in_place_) copy_.resize(tensor.bytes());
  }
  void load() {
    if (!in_place_) tensor_.download(copy_.data());
  }
  std::span<std::byte> span() {
    return {in_place_ ? static_cast<std::byte*>(tensor_.out().data) : copy_.data(), tensor_.bytes()};
  }
  void store() const {
    if (!in_place_) tensor_.copy_from(Tensor::from_bytes(copy_.data(), tensor_.shape(), tensor_.dtype(), tensor_.device()));
  }

 private:
  const Tensor& tensor_;
  const bool in_place_;
  std::vector<std::byte> copy_;
};

// Elements that are added up at a time: they stay in the cache, and messages are long.
constexpr std::size_t kPiece = std::size_t{1} << 18;

}  // namespace

Tensor HostCommunicator::all_gather(const Tensor& own) {
  check<ShapeError>(own.rank() >= 1, "all_gather: a tensor has rows, but this one is ", own.shape());
  std::vector<std::int64_t> dims;
  for (int i = 0; i < own.rank(); ++i) dims.push_back(own.dim(i));
  dims[0] *= size();
  const Tensor all(Shape(dims), own.dtype(), own.device());
  const HostBytes from(own);
  Bytes to(all);
  gather_bytes({from.data(), own.bytes()}, to.span());
  to.store();
  return all;
}

// Of each piece, each rank adds up one block, in the order of ranks, and all gather the sums.
template <class T> void HostCommunicator::reduce_as(std::span<T> values) {
  const auto ranks = static_cast<std::size_t>(size());
  for (std::size_t at = 0; at < values.size(); at += kPiece) {
    const std::span<T> piece = values.subspan(at, std::min(kPiece, values.size() - at));
    const std::size_t block = (piece.size() + ranks - 1) / ranks;
    std::vector<T> mine(block * ranks), blocks(block * ranks);
    std::ranges::copy(piece, mine.begin());
    exchange_bytes(bytes_of(std::as_const(mine)), bytes_of(blocks));
    const std::span<T> sums = std::span(blocks).first(block);
    for (std::size_t rank = 1; rank < ranks; ++rank) {
      for (std::size_t i = 0; i < block; ++i) sums[i] += blocks[rank * block + i];
    }
    gather_bytes(std::as_bytes(sums), bytes_of(mine));
    std::copy_n(mine.begin(), piece.size(), piece.begin());
  }
}

void HostCommunicator::reduce(const Tensor& t) {
  Bytes bytes(t);
  bytes.load();
  const auto count = static_cast<std::size_t>(t.numel());
  if (t.dtype() == Dtype::f32) reduce_as(std::span(reinterpret_cast<float*>(bytes.span().data()), count));
  else reduce_as(std::span(reinterpret_cast<double*>(bytes.span().data()), count));
  bytes.store();
}

void HostCommunicator::broadcast(const Tensor& t) {
  Bytes bytes(t);
  bytes.load();
  constexpr std::size_t kMost = std::size_t{1} << 28;  // MPI counts bytes in int
  for (std::size_t at = 0; at < t.bytes(); at += kMost)
    broadcast_bytes(bytes.span().subspan(at, std::min(kMost, t.bytes() - at)));
  bytes.store();
}

std::int64_t HostCommunicator::broadcast(std::int64_t number) {
  std::vector<std::int64_t> one{number};
  broadcast_bytes(bytes_of(one));
  return one.front();
}

double HostCommunicator::maximum(double value) {
  const std::vector<double> own{value};
  std::vector<double> all(static_cast<std::size_t>(size()));
  gather_bytes(bytes_of(own), bytes_of(all));
  return *std::ranges::max_element(all);
}

}  // namespace mec
