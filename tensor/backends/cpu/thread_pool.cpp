#include "mec/tensor/backends/cpu/thread_pool.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <exception>
#include <mutex>
#include <new>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#if defined(__unix__)
#include <unistd.h>
#endif

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "mec/tensor/backends/cpu/threads.h"

namespace mec::cpu {
namespace {

using Clock = std::chrono::steady_clock;
using Nanoseconds = std::chrono::nanoseconds;

void relax() {
#if defined(__x86_64__)
  _mm_pause();
#elif defined(__aarch64__)
  __asm__ __volatile__("yield");
#endif
}

std::int64_t process_id() {
#if defined(__unix__)
  return getpid();
#else
  return 0;
#endif
}

// Waits for another thread: polling, which notices at once but takes a processor, and then asleep,
// from which it takes some 50 us to wake. How long it polls is learned: longer where the wait
// mostly ended soon, shorter where polling cost this thread its processor, since another program
// wants it.
class Waiter {
 public:
  // Returns when word is no longer `old`.
  void wait(const std::atomic<std::uint32_t>& word, std::uint32_t old) {
    const auto start = Clock::now();
    for (auto last = start, now = start; now - start <= budget_; last = now) {
      for (int i = 0; i < kPolls; ++i) {
        if (word.load(std::memory_order_acquire) != old) return lengthen();
        relax();
      }
      now = Clock::now();
      if (now - last > kInterruption) {
        budget_ /= 4;
        break;
      }
    }
    word.wait(old, std::memory_order_acquire);
    if (Clock::now() - start < kLongest) lengthen();
  }

 private:
  void lengthen() { budget_ = std::min(budget_ + kStep, kLongest); }

  static constexpr int kPolls = 16;
  static constexpr Nanoseconds kStep{2000}, kLongest{200000}, kInterruption{200000};
  Nanoseconds budget_ = kLongest;
};

// The tasks [next, end) that a thread begins with; the others take from them when theirs are done.
// The upper bits hold the round, so that a thread that was delayed takes nothing of a later one.
constexpr int kTaskBits = 40;
constexpr std::uint64_t pack(std::uint32_t round, std::int64_t task) {
  return std::uint64_t{round} << kTaskBits | static_cast<std::uint64_t>(task);
}
constexpr std::int64_t task_of(std::uint64_t packed) {
  return static_cast<std::int64_t>(packed & ((std::uint64_t{1} << kTaskBits) - 1));
}
constexpr std::int64_t kClosed = (std::int64_t{1} << kTaskBits) - 1;  // more tasks than any round has
struct alignas(64) Share {
  std::atomic<std::uint64_t> next{0};
};

thread_local bool within_task = false;

}  // namespace

struct ThreadPool::State {
  const std::int64_t process = process_id();
  std::vector<Share> shares;
  std::vector<std::thread> workers;
  std::mutex turn;  // held by the thread whose run() is under way
  Waiter caller;

  // What is run. Written while all shares are closed, so that a delayed thread, which still looks
  // for tasks of the round before, can take none by the new count.
  std::atomic<Task> task{nullptr};
  std::atomic<const void*> work{nullptr};
  std::atomic<std::int64_t> tasks{0};

  alignas(64) std::atomic<std::uint32_t> round{0};  // rises with each run(): workers wait for it
  alignas(64) std::atomic<std::uint32_t> done{0};   // the last round of which nothing is left
  alignas(64) std::atomic<std::int64_t> left{0};
  std::atomic<bool> stops{false};

  std::mutex failing;  // guards the two below
  std::exception_ptr failure;
  std::int64_t failed_task = 0;

  explicit State(int threads) : shares(static_cast<std::size_t>(threads)) {}

  std::int64_t begin_of(std::size_t share, std::int64_t count) const {
    return count * static_cast<std::int64_t>(share) / static_cast<std::int64_t>(shares.size());
  }

  void call(std::int64_t i, std::size_t thread) {
    try {
      task.load(std::memory_order_acquire)(work.load(std::memory_order_acquire), i, static_cast<int>(thread));
    } catch (...) {
      const std::lock_guard lock(failing);
      if (!failure || i < failed_task) {
        failure = std::current_exception();
        failed_task = i;
      }
    }
  }

  // Takes a task of the share and runs it; false where none of this round is left.
  bool run_one(std::size_t share, std::uint32_t current, std::size_t thread) {
    std::uint64_t next = shares[share].next.load(std::memory_order_acquire);
    do {
      if (next >> kTaskBits != pack(current, 0) >> kTaskBits) return false;
      if (task_of(next) >= begin_of(share + 1, tasks.load(std::memory_order_acquire))) return false;
    } while (!shares[share].next.compare_exchange_weak(next, next + 1, std::memory_order_acq_rel, std::memory_order_acquire));
    call(task_of(next), thread);
    if (left.fetch_sub(1, std::memory_order_acq_rel) == 1) {
      // In one order with the count of waiters, which libstdc++ reads before it wakes any: a
      // release may become visible after that, and the waiter would sleep for ever.
      done.store(current, std::memory_order_seq_cst);
      done.notify_one();
    }
    return true;
  }

  void run_all(std::size_t own, std::uint32_t current) {
    within_task = true;
    for (std::size_t i = 0; i < shares.size(); ++i) {
      while (run_one((own + i) % shares.size(), current, own)) {
      }
    }
    within_task = false;
  }

  void work_until_stopped(std::size_t own) {
    use_all_places();
    Waiter waiter;
    std::uint32_t seen = 0;
    for (;;) {
      waiter.wait(round, seen);
      if (stops.load(std::memory_order_acquire)) return;
      seen = round.load(std::memory_order_acquire);
      run_all(own, seen);
    }
  }
};

ThreadPool::ThreadPool(int threads) : state_(std::make_unique<State>(std::clamp(threads, 1, kMostThreads))) {
  State& s = *state_;
  try {
    s.workers.reserve(s.shares.size());
    for (std::size_t own = 1; own < s.shares.size(); ++own) s.workers.emplace_back([&s, own] { s.work_until_stopped(own); });
  } catch (const std::system_error&) {  // fewer threads: others take the shares of the missing ones
  } catch (const std::bad_alloc&) {
  }
}

ThreadPool::~ThreadPool() {
  State& s = *state_;
  if (s.process != process_id()) {  // forked: there are no threads here to join
    static_cast<void>(new std::vector<std::thread>(std::move(s.workers)));
    return;
  }
  s.stops.store(true, std::memory_order_release);
  s.round.fetch_add(1, std::memory_order_acq_rel);
  s.round.notify_all();
  for (std::thread& worker : s.workers) worker.join();
}

int ThreadPool::threads() const { return static_cast<int>(state_->workers.size()) + 1; }

void ThreadPool::run(std::int64_t tasks, Task task, const void* work) {
  State& s = *state_;
  std::unique_lock turn(s.turn, std::defer_lock);
  if (tasks <= 1 || s.workers.empty() || within_task || !turn.try_lock()) {
    for (std::int64_t i = 0; i < tasks; ++i) task(work, i, 0);
    return;
  }
  const std::uint32_t current = s.round.load(std::memory_order_relaxed) + 1, before = s.done.load(std::memory_order_relaxed);
  for (Share& share : s.shares) share.next.store(pack(current, kClosed), std::memory_order_release);
  s.task.store(task, std::memory_order_release);
  s.work.store(work, std::memory_order_release);
  s.tasks.store(tasks, std::memory_order_release);
  s.left.store(tasks, std::memory_order_relaxed);
  for (std::size_t i = 0; i < s.shares.size(); ++i) {
    s.shares[i].next.store(pack(current, s.begin_of(i, tasks)), std::memory_order_release);
  }
  s.round.store(current, std::memory_order_seq_cst);
  s.round.notify_all();
  s.run_all(0, current);
  if (s.done.load(std::memory_order_acquire) == before) s.caller.wait(s.done, before);
  if (s.failure) std::rethrow_exception(std::exchange(s.failure, nullptr));
}

}  // namespace mec::cpu
