#include "mec/distributed/background_sums.h"

#include <algorithm>
#include <utility>

namespace mec {

namespace {

// So many sums have messages under way, each with as much memory for the blocks of others.
constexpr int kTogether = 8;

// Whether it has come.
bool done(std::unique_ptr<Message>& message) {
  if (message && message->done()) message.reset();
  return !message;
}

void wait(std::unique_ptr<Message>& message) {
  if (message) message->wait();
  message.reset();
}

template <class T> std::span<T> as(std::span<std::byte> bytes) {
  return {reinterpret_cast<T*>(bytes.data()), bytes.size() / sizeof(T)};
}

}  // namespace

BackgroundSums::BackgroundSums(std::shared_ptr<HostCommunicator> exchanges, std::shared_ptr<HostCommunicator> gathers)
    : exchanges_(std::move(exchanges)), gathers_(std::move(gathers)) {}

// After an error, messages may still write into what they were given, until the process ends.
BackgroundSums::~BackgroundSums() {
  const bool under_way = std::ranges::any_of(sums_, [](const Sum& sum) { return sum.message != nullptr; });
  if (under_way) static_cast<void>(new std::deque<Sum>(std::move(sums_)));
}

std::span<std::byte> BackgroundSums::Sum::bytes() const { return {static_cast<std::byte*>(tensor.out().data), tensor.bytes()}; }

void BackgroundSums::begin(const Tensor& t) {
  sums_.push_back({.tensor = t});
  advance();
}

void BackgroundSums::begin_exchange(Sum& sum) {
  if (!unused_.empty()) {
    sum.blocks = std::move(unused_.back());
    unused_.pop_back();
  }
  sum.blocks.resize(sum.tensor.bytes());
  sum.message = exchanges_->begin_exchange(sum.bytes(), sum.blocks);
  sum.stage = Stage::exchanging;
}

void BackgroundSums::begin_gather(Sum& sum) {
  const std::span<std::byte> all = sum.bytes();
  const std::size_t block = all.size() / static_cast<std::size_t>(gathers_->size());
  const std::span<std::byte> own = all.subspan(static_cast<std::size_t>(gathers_->rank()) * block, block);
  if (sum.tensor.dtype() == Dtype::f32) add_up<float>(as<float>(sum.blocks), as<float>(own));
  else add_up<double>(as<double>(sum.blocks), as<double>(own));
  unused_.push_back(std::move(sum.blocks));
  sum.message = gathers_->begin_gather(own, all);
  sum.stage = Stage::gathering;
}

void BackgroundSums::advance() {
  int together = 0;
  bool in_turn = true;  // all sums before have their blocks
  for (Sum& sum : sums_) {
    if (++together > kTogether) break;
    if (sum.stage == Stage::queued) begin_exchange(sum);
    if (sum.stage == Stage::exchanging) {
      in_turn = in_turn && done(sum.message);
      if (in_turn) begin_gather(sum);
    }
  }
  while (!sums_.empty() && sums_.front().stage == Stage::gathering && done(sums_.front().message)) sums_.pop_front();
}

void BackgroundSums::finish() {
  while (!sums_.empty()) {
    advance();
    if (!sums_.empty()) wait(sums_.front().message);
  }
}

}  // namespace mec
