// Threads that take tasks as they come free: the tasks of one kernel, and then those of the next.
//
// What a task is must follow from sizes alone. Then the result depends neither on the number of
// threads nor on which of them is delayed, and a thread whose processor is busy with another
// program leaves its tasks to the others.
#pragma once

#include <cstdint>
#include <memory>

namespace mec::cpu {

constexpr int kMostThreads = 256;  // of a pool

class ThreadPool {
 public:
  // 1 to kMostThreads threads, the calling one included. Where the system makes fewer, threads()
  // says how many there are.
  explicit ThreadPool(int threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int threads() const;

  // A task's number, and that of the thread that runs it: 0 is the one that called run().
  using Task = void (*)(const void* work, std::int64_t i, int thread);
  // Calls task(work, i, thread) for each i in [0, tasks) and returns when all are done. Where tasks
  // throw, it throws the exception of the lowest i. The calling thread does all tasks alone within
  // a task, and while another thread's run() is under way. So it does in a process that was forked,
  // since it takes what others leave.
  void run(std::int64_t tasks, Task task, const void* work);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace mec::cpu
