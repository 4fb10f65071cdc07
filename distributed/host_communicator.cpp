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

void upload(const std::byte* host, const Tensor& t) { t.copy_from(Tensor::from_bytes(host, t.shape(), t.dtype(), t.device())); }

}  // namespace

Tensor HostCommunicator::all_gather(const Tensor& own) {
  check<ShapeError>(own.rank() >= 1, "all_gather: a tensor has rows, but this one is ", own.shape());
  const HostBytes from(own);
  std::vector<std::byte> all(own.bytes() * static_cast<std::size_t>(size()));
  gather_bytes({from.data(), own.bytes()}, all);
  const Tensor flat = Tensor::from_bytes(all.data(), {size() * own.numel()}, own.dtype(), own.device());
  std::vector<std::int64_t> dims;
  for (int i = 0; i < own.rank(); ++i) dims.push_back(own.dim(i));
  dims[0] *= size();
  return flat.reshape(Shape(dims));
}

// Each rank adds up one block of the elements, in the order of ranks, and all gather the sums.
template <class T> void HostCommunicator::reduce_as(const Tensor& t) {
  const auto ranks = static_cast<std::size_t>(size());
  const std::size_t count = static_cast<std::size_t>(t.numel()), block = (count + ranks - 1) / ranks;
  std::vector<T> values(block * ranks), blocks(block * ranks), sums(block);
  const HostBytes own(t);
  std::copy_n(reinterpret_cast<const T*>(own.data()), count, values.begin());
  exchange_bytes(bytes_of(std::as_const(values)), bytes_of(blocks));
  for (std::size_t i = 0; i < block; ++i) {
    T sum = blocks[i];
    for (std::size_t rank = 1; rank < ranks; ++rank) sum += blocks[rank * block + i];
    sums[i] = sum;
  }
  gather_bytes(bytes_of(std::as_const(sums)), bytes_of(values));
  upload(bytes_of(std::as_const(values)).data(), t);
}

void HostCommunicator::reduce(const Tensor& t) {
  if (t.dtype() == Dtype::f32) reduce_as<float>(t);
  else reduce_as<double>(t);
}

void HostCommunicator::broadcast(const Tensor& t) {
  std::vector<std::byte> bytes(t.bytes());
  t.download(bytes.data());
  broadcast_bytes(bytes);
  upload(bytes.data(), t);
}

double HostCommunicator::broadcast(double value) {
  std::vector<double> one{value};
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
