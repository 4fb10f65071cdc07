// How many threads a CPU device uses. OpenMP's own setting is left as the caller had it.
#pragma once

#if MEC_HAVE_OPENMP
#include <omp.h>
#endif

namespace mec::cpu {

// `requested`, or what OpenMP would take when it is 0; 1 without OpenMP.
inline int thread_count(int requested) {
#if MEC_HAVE_OPENMP
  return requested > 0 ? requested : omp_get_max_threads();
#else
  return requested > 0 ? 1 : 1;
#endif
}

// oneDNN and OpenBLAS ask OpenMP how many threads they may use: while this lives, the calling thread's answer is `threads`.
class ThreadScope {
 public:
#if MEC_HAVE_OPENMP
  explicit ThreadScope(int threads) : before_(omp_get_max_threads()) { omp_set_num_threads(threads); }
  ~ThreadScope() { omp_set_num_threads(before_); }
#else
  explicit ThreadScope(int) {}
  ~ThreadScope() {}
#endif
  ThreadScope(const ThreadScope&) = delete;
  ThreadScope& operator=(const ThreadScope&) = delete;

 private:
#if MEC_HAVE_OPENMP
  int before_;
#endif
};

}  // namespace mec::cpu
