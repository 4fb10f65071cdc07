// How many threads a CPU device uses. They are OpenMP's where oneDNN and OpenBLAS run beside our
// own loops, since they use those, and else a pool of our own. OpenMP's settings are left as the
// caller had them.
#pragma once

#include <string>

namespace mec::cpu {

class ThreadPool;

// The threads that share a kernel's work; alone by default.
struct Team {
  int count = 1;
  ThreadPool* pool = nullptr;  // null: OpenMP's threads
};

struct Threads {
  int count = 1;
  int processors = 1;  // that this process may use at a time
  std::string reason;  // where the count comes from, as a text
  // A warning where there are fewer threads than asked for, or more than processors; else empty.
  std::string complaint;
};

// `requested` threads. Where that is 0: as many as OMP_NUM_THREADS or the caller asks OpenMP for,
// or one for each processor. Never more than OpenMP gives a parallel region here, or than the
// system can create. OpenMP ends the process where a thread cannot be created, and oneDNN and
// OpenBLAS wait for ever for a thread that OpenMP withholds: so the threads are created, and
// counted, before anything relies on them.
//
// `openmp`: whether the threads are OpenMP's. Those of a pool are as many, but the pool makes them.
Threads choose_threads(int requested, bool openmp = true);

// For a thread of a pool. Where OpenMP binds threads to places (OMP_PROC_BIND, OMP_PLACES), it has
// bound the first thread to the first one, and every thread that is made inherits that.
void use_all_places();

// How many threads a parallel region gets that asks for `wanted`. Inside another parallel region it
// is one, since the outer region has spread the work already.
int threads_of_region(int wanted);

// oneDNN and OpenBLAS ask OpenMP how many threads they may use, and rely on getting as many. While
// a ThreadScope lives, OpenMP answers the calling thread threads_of_region(wanted), and gives it
// that many (under OMP_DYNAMIC it may give fewer).
class ThreadScope {
 public:
  explicit ThreadScope(int wanted);
  ~ThreadScope();
  ThreadScope(const ThreadScope&) = delete;
  ThreadScope& operator=(const ThreadScope&) = delete;

  static int current();  // OpenMP's answer to the calling thread

 private:
  int threads_before_;
  int dynamic_before_;
};

}  // namespace mec::cpu
