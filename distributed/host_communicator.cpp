#include "mec/distributed/host_communicator.h"

#include <algorithm>
#include <limits>
#include <utility>
#include <vector>

#include "mec/distributed/background_sums.h"
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

// Bytes that are added up at a time: they stay in the cache, and messages are long. Each of many
// ranks then still has a block of kLeastBlock.
constexpr std::size_t kPiece = std::size_t{1} << 21, kLeastBlock = std::size_t{1} << 16;
// All ranks' values, where they are no more bytes than this, are gathered by all: one message, not
// two.
constexpr std::size_t kShort = std::size_t{1} << 15;

}  // namespace

HostCommunicator::HostCommunicator() = default;
HostCommunicator::~HostCommunicator() = default;

Tensor HostCommunicator::all_gather(const Tensor& own) {
  const Tensor all = make_gathered(own);
  const HostBytes from(own);
  Bytes to(all);
  gather_bytes({from.data(), own.bytes()}, to.span());
  to.store();
  return all;
}

// So many values beside the tensor. They are kept: megabytes that are asked for anew cost more than
// the message.
template <class T> std::span<T> HostCommunicator::scratch(std::size_t count) {
  scratch_.resize(std::max(scratch_.size(), count * sizeof(T)));
  return {reinterpret_cast<T*>(scratch_.data()), count};
}

// Each rank adds up all values.
template <class T> void HostCommunicator::reduce_few(std::span<T> values) {
  const std::span<T> all = scratch<T>(values.size() * static_cast<std::size_t>(size()));
  gather_bytes(std::as_bytes(values), std::as_writable_bytes(all));
  add_up(std::span<const T>(all), values);
}

// Of each piece, each rank adds up one block, in the order of ranks, and all gather the sums.
template <class T> void HostCommunicator::reduce_as(std::span<T> values) {
  const auto ranks = static_cast<std::size_t>(size());
  const std::size_t most = std::max(kPiece / ranks, kLeastBlock) / sizeof(T);
  while (values.size() >= ranks && values.size_bytes() * ranks > kShort) {
    const std::size_t block = std::min(most, values.size() / ranks);
    const std::span<T> piece = values.first(block * ranks), blocks = scratch<T>(piece.size());
    exchange_bytes(std::as_bytes(piece), std::as_writable_bytes(blocks));
    const std::span<T> own = piece.subspan(static_cast<std::size_t>(rank()) * block, block);
    add_up(std::span<const T>(blocks), own);
    gather_bytes(std::as_bytes(own), std::as_writable_bytes(piece));
    values = values.subspan(piece.size());
  }
  if (!values.empty()) reduce_few(values);
}

void HostCommunicator::reduce(const Tensor& t) {
  Bytes bytes(t);
  bytes.load();
  const auto count = static_cast<std::size_t>(t.numel());
  if (t.dtype() == Dtype::f32) reduce_as(std::span(reinterpret_cast<float*>(bytes.span().data()), count));
  else reduce_as(std::span(reinterpret_cast<double*>(bytes.span().data()), count));
  bytes.store();
}

void HostCommunicator::begin_reduce(const Tensor& t) {
  if (t.numel() % size() != 0 || !t.backend().host_readable()) return reduce(t);
  if (!sums_) {
    const auto ranks = [this] { return std::dynamic_pointer_cast<HostCommunicator>(split(0)); };
    auto exchanges = ranks(), gathers = ranks();
    sums_ = std::make_unique<BackgroundSums>(std::move(exchanges), std::move(gathers));
  }
  sums_->begin(t);
}

std::int64_t HostCommunicator::bytes_of_sum(const Device& device) const {
  return device->host_readable() ? Communicator::bytes_of_sum(device) : std::numeric_limits<std::int64_t>::max();
}

void HostCommunicator::advance_sums() {
  if (sums_) sums_->advance();
}

void HostCommunicator::finish_sums() {
  if (sums_) sums_->finish();
}

std::unique_ptr<Message> HostCommunicator::begin_gather(std::span<const std::byte> from, std::span<std::byte> to) {
  gather_bytes(from, to);
  return nullptr;
}

std::unique_ptr<Message> HostCommunicator::begin_exchange(std::span<const std::byte> from, std::span<std::byte> to) {
  exchange_bytes(from, to);
  return nullptr;
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
