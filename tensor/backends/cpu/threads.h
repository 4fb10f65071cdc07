// How many threads a CPU device uses. OpenMP's own settings are left as the caller had them.
#pragma once

#include <string>

namespace mec::cpu {

struct Threads {
  int count = 1;
  int processors = 1;     // that this process may use at a time
  std::string reason;     // what the count follows from, for a person
  // Where fewer are had than were asked for, or more than there are processors; empty: neither.
  std::string complaint;
};

// `requested`, or what OMP_NUM_THREADS or the caller asks OpenMP for, or one for each processor,
// where it is 0; but no more than OpenMP gives a parallel region here and the system makes. OpenMP
// ends the process where a thread cannot be made, and oneDNN and OpenBLAS wait for ever for one
// that OpenMP keeps back: so they are made, and counted, before anything leans on them.
Threads choose_threads(int requested);

// What a parallel region gets that asks for so many: one inside of another, since whoever began
// that one has spread the work.
int threads_of_region(int wanted);

// oneDNN and OpenBLAS ask OpenMP how many threads they may use, and rely on getting as many. While
// this lives, the calling thread's answer is threads_of_region(wanted), and OpenMP keeps it (with
// OMP_DYNAMIC it may not).
class ThreadScope {
 public:
  explicit ThreadScope(int wanted);
  ~ThreadScope();
  ThreadScope(const ThreadScope&) = delete;
  ThreadScope& operator=(const ThreadScope&) = delete;

  static int current();  // the calling thread's answer

 private:
  int threads_before_;
  int dynamic_before_;
};

}  // namespace mec::cpu
