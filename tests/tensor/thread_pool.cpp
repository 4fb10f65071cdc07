// Threads that take tasks as they come free.
#include "mec/tensor/backends/cpu/thread_pool.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <functional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#if defined(__linux__)
#include <sched.h>
#endif
#if defined(__unix__)
#include <sys/wait.h>
#include <unistd.h>
#endif

using mec::cpu::ThreadPool;

namespace {

using Body = std::function<void(std::int64_t, int)>;

void run(ThreadPool& pool, std::int64_t tasks, const Body& body) {
  pool.run(
      tasks, [](const void* work, std::int64_t i, int thread) { (*static_cast<const Body*>(work))(i, thread); }, &body);
}

// How often each task ran.
std::vector<int> counts_of(ThreadPool& pool, std::int64_t tasks) {
  std::vector<std::atomic<int>> counts(static_cast<std::size_t>(tasks));
  run(pool, tasks, [&](std::int64_t i, int) { ++counts[static_cast<std::size_t>(i)]; });
  return {counts.begin(), counts.end()};
}

// Until `done`, but no longer than a minute: a test that waits for ever names no culprit.
template <class F> bool wait_until(F done) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::minutes(1);
  while (!done()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::yield();
  }
  return true;
}

}  // namespace

#if defined(__linux__)
// ctest runs it once more under OMP_PROC_BIND (tests/CMakeLists.txt).
TEST_CASE("the threads of a pool may run on all processors, even where OpenMP binds the first one") {
  cpu_set_t all;
  REQUIRE(sched_getaffinity(getppid(), sizeof all, &all) == 0);  // what OpenMP found at the start
  const int processors = CPU_COUNT(&all);
  ThreadPool pool(2);
  std::atomic<int> fewest{processors};
  std::atomic<bool> second_ran{false};
  run(pool, 2, [&](std::int64_t, int thread) {
    wait_until([&] { return thread == 1 || second_ran.load(); });
    if (thread != 1) return;
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0) fewest = std::min(fewest.load(), CPU_COUNT(&set));
    second_ran = true;
  });
  CHECK(second_ran);
  CHECK(fewest == processors);
}
#endif

TEST_CASE("each task runs once, for any number of threads and tasks") {
  for (const int threads : {1, 2, 3, 8, 256}) {
    ThreadPool pool(threads);
    CHECK(pool.threads() <= threads);
    for (const std::int64_t tasks : {0, 1, 2, 3, 7, 100, 5000}) {
      CAPTURE(threads);
      CAPTURE(tasks);
      CHECK(counts_of(pool, tasks) == std::vector<int>(static_cast<std::size_t>(tasks), 1));
    }
  }
}

TEST_CASE("runs that follow each other at once mix no tasks of two") {
  ThreadPool pool(4);
  std::vector<std::int64_t> owner(64, -1);
  for (std::int64_t round = 0; round < 20000; ++round) {
    const std::int64_t tasks = 2 + round * 7 % 62;  // more and fewer than in the run before
    std::atomic<std::int64_t> ran{0};
    run(pool, tasks, [&, round](std::int64_t i, int) {
      owner[static_cast<std::size_t>(i)] = round;
      ++ran;
    });
    REQUIRE(ran == tasks);
    for (std::int64_t i = 0; i < tasks; ++i) REQUIRE(owner[static_cast<std::size_t>(i)] == round);
  }
}

TEST_CASE("a thread that is delayed leaves its tasks to the others") {
  ThreadPool pool(2);
  if (pool.threads() < 2) return;
  // The first task to begin ends when all others are done, half of which its thread would have
  // begun with.
  std::atomic<int> delayed{-1}, done{0};
  bool in_time = true;
  std::atomic<bool> others_number{true};
  run(pool, 100, [&](std::int64_t, int thread) {
    int nobody = -1;
    if (delayed.compare_exchange_strong(nobody, thread)) in_time = wait_until([&] { return done == 99; });
    else if (thread == delayed) others_number = false;
    ++done;
  });
  CHECK(in_time);
  CHECK(done == 100);
  CHECK(others_number);
}

TEST_CASE("threads work at a time, each under a number of its own") {
  ThreadPool pool(3);
  std::vector<std::atomic<int>> users(static_cast<std::size_t>(pool.threads()));
  std::atomic<bool> shared{false};
  std::atomic<int> present{0};
  bool together = true;
  run(pool, pool.threads(), [&](std::int64_t, int thread) {
    if (users.at(static_cast<std::size_t>(thread))++ != 0) shared = true;
    ++present;
    if (!wait_until([&] { return present == pool.threads(); })) together = false;
  });
  CHECK_FALSE(shared);
  CHECK(together);
}

TEST_CASE("a run within a task, and one beside another thread's, are done by the calling thread") {
  ThreadPool pool(3);
  std::atomic<int> inner{0};
  std::atomic<bool> moved{false};
  run(pool, 6, [&](std::int64_t, int) {
    const auto self = std::this_thread::get_id();
    run(pool, 5, [&](std::int64_t, int) {
      ++inner;
      if (std::this_thread::get_id() != self) moved = true;
    });
  });
  CHECK(inner == 30);
  CHECK_FALSE(moved);

  std::vector<std::thread> callers;
  std::atomic<int> total{0};
  for (int caller = 0; caller < 4; ++caller) {
    callers.emplace_back([&] {
      for (int round = 0; round < 500; ++round) run(pool, 9, [&](std::int64_t, int) { ++total; });
    });
  }
  for (std::thread& caller : callers) caller.join();
  CHECK(total == 4 * 500 * 9);
}

TEST_CASE("the exception of the lowest task is thrown, and the pool goes on") {
  for (const int threads : {1, 3}) {
    ThreadPool pool(threads);
    for (int round = 0; round < 200; ++round) {
      std::string what;
      try {
        run(pool, 50, [](std::int64_t i, int) {
          if (i % 10 == 7) throw std::runtime_error(std::to_string(i));
        });
      } catch (const std::runtime_error& error) {
        what = error.what();
      }
      REQUIRE(what == "7");
      REQUIRE(counts_of(pool, 10) == std::vector<int>(10, 1));
    }
  }
}

TEST_CASE("a pool can end right after it was made, after a run, and while its threads sleep") {
  for (const int pause_us : {0, 100, 5000}) {
    for (int round = 0; round < 20; ++round) {
      ThreadPool pool(4);
      if (round % 2) CHECK(counts_of(pool, 20) == std::vector<int>(20, 1));
      std::this_thread::sleep_for(std::chrono::microseconds(pause_us));
    }
  }
}

// Not under qemu (7.2), which makes no threads in a process that it has forked.
#if defined(__unix__) && !defined(__SANITIZE_THREAD__) && !MEC_EMULATED
TEST_CASE("in a forked process, which has no threads of the pool, the caller does all tasks") {
  ThreadPool pool(3);
  counts_of(pool, 10);
  const pid_t child = fork();
  if (child == 0) {
    auto* const copy = new ThreadPool(2);  // one of its own works as ever
    const bool right = counts_of(pool, 10) == std::vector<int>(10, 1) && counts_of(*copy, 10) == std::vector<int>(10, 1);
    pool.~ThreadPool();  // neither waits for threads that are not there, nor crashes
    _exit(right ? 0 : 1);
  }
  int status = -1;
  REQUIRE(waitpid(child, &status, 0) == child);
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
  CHECK(counts_of(pool, 10) == std::vector<int>(10, 1));
}
#endif
