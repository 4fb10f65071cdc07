#include "mec/distributed/threads.h"

#include <algorithm>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include "mec/distributed/host_communicator.h"

namespace mec {

namespace {

// Where the ranks show each other what they send.
class Board {
 public:
  explicit Board(int ranks) : shown_(static_cast<std::size_t>(ranks)) {}

  // Shows the bytes, waits for those of all ranks, calls read() with them, and returns when all
  // ranks have read.
  template <class Read> void meet(int rank, std::span<const std::byte> bytes, Read read) {
    shown_[static_cast<std::size_t>(rank)] = bytes;
    wait(true);
    read(shown_);
    wait(false);  // all are here, and so come: others still read what this rank shows
  }
  void fail(int rank, const std::exception_ptr& error) {
    const std::lock_guard lock(mutex_);
    if (!error_) error_ = error;
    if (failed_ < 0) failed_ = rank;
    all_here_.notify_all();
    for (const auto& part : parts_) part->fail(rank, error);
  }
  // For some of the ranks; it fails where this one does.
  std::shared_ptr<Board> make_part(int ranks) {
    const std::lock_guard lock(mutex_);
    parts_.push_back(std::make_shared<Board>(ranks));
    if (failed_ >= 0) parts_.back()->fail(failed_, error_);
    return parts_.back();
  }
  std::exception_ptr error() const { return error_; }

 private:
  void wait(bool gives_up) {
    std::unique_lock lock(mutex_);
    // Others may have given up, and what they showed is gone.
    check<DeviceError>(!gives_up || failed_ < 0, "rank ", failed_, " has failed");
    const std::uint64_t round = round_;
    if (++here_ == shown_.size()) {
      here_ = 0;
      ++round_;
      all_here_.notify_all();
    }
    all_here_.wait(lock, [&] { return round_ != round || (gives_up && failed_ >= 0); });
    check<DeviceError>(round_ != round, "rank ", failed_, " has failed");
  }

  std::vector<std::span<const std::byte>> shown_;
  std::mutex mutex_;
  std::condition_variable all_here_;
  std::size_t here_ = 0;
  std::uint64_t round_ = 0;
  int failed_ = -1;
  std::exception_ptr error_;
  std::vector<std::shared_ptr<Board>> parts_;
};

class ThreadCommunicator : public HostCommunicator {
 public:
  ThreadCommunicator(std::shared_ptr<Board> board, int rank, int size) : board_(std::move(board)), rank_(rank), size_(size) {}
  int rank() const override { return rank_; }
  int size() const override { return size_; }
  // The first rank of each group makes its board.
  CommunicatorPtr split(int group) override {
    std::vector<int> groups(static_cast<std::size_t>(size_));
    gather_bytes(std::as_bytes(std::span(&group, 1)), std::as_writable_bytes(std::span(groups)));
    const auto first = std::ranges::find(groups, group);
    const int size = static_cast<int>(std::ranges::count(groups, group));
    const int rank = static_cast<int>(std::count(first, groups.begin() + rank_, group));
    std::shared_ptr<Board> board = rank == 0 ? board_->make_part(size) : nullptr, part;
    board_->meet(rank_, std::as_bytes(std::span(&board, 1)), [&](const auto& shown) {
      part = *reinterpret_cast<const std::shared_ptr<Board>*>(shown[static_cast<std::size_t>(first - groups.begin())].data());
    });
    return std::make_shared<ThreadCommunicator>(part, rank, size);
  }
  // A rank that throws ends the others.
  void end_all(int) override {}

 protected:
  void gather_bytes(std::span<const std::byte> from, std::span<std::byte> to) override {
    board_->meet(rank_, from, [&](const auto& shown) {
      for (std::size_t r = 0; r < shown.size(); ++r) {
        const std::span<std::byte> place = to.subspan(r * from.size(), from.size());
        if (place.data() != shown[r].data()) std::ranges::copy(shown[r], place.begin());  // its own may lie there
      }
    });
  }
  void exchange_bytes(std::span<const std::byte> from, std::span<std::byte> to) override {
    const std::size_t block = from.size() / static_cast<std::size_t>(size_);
    board_->meet(rank_, from, [&](const auto& shown) {
      for (std::size_t r = 0; r < shown.size(); ++r) {
        std::ranges::copy(shown[r].subspan(static_cast<std::size_t>(rank_) * block, block), to.begin() + offset(r, block));
      }
    });
  }
  void broadcast_bytes(std::span<std::byte> bytes) override {
    const std::vector<std::byte> own(bytes.begin(), bytes.end());  // rank 0's is read while others write theirs
    board_->meet(rank_, own, [&](const auto& shown) { std::ranges::copy(shown.front(), bytes.begin()); });
  }

 private:
  static std::ptrdiff_t offset(std::size_t block, std::size_t size) { return static_cast<std::ptrdiff_t>(block * size); }

  std::shared_ptr<Board> board_;
  int rank_, size_;
};

}  // namespace

void run_ranks(int size, const std::function<void(const CommunicatorPtr&)>& f) {
  check<ValueError>(size >= 1, "run_ranks: at least one rank, but got ", size);
  const auto board = std::make_shared<Board>(size);
  std::vector<std::jthread> threads;
  for (int rank = 0; rank < size; ++rank) {
    threads.emplace_back([&, rank] {
      try {
        f(std::make_shared<ThreadCommunicator>(board, rank, size));
      } catch (...) {
        board->fail(rank, std::current_exception());
      }
    });
  }
  threads.clear();
  if (board->error()) std::rethrow_exception(board->error());
}

}  // namespace mec
