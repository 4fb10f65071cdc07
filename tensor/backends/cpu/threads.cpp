#include "mec/tensor/backends/cpu/threads.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <future>
#include <system_error>
#include <thread>
#include <vector>

#if MEC_HAVE_OPENMP
#include <omp.h>
#endif
#if defined(__linux__)
#include <sched.h>
#endif
#if defined(__unix__)
#include <unistd.h>
#endif

#include "mec/tensor/backends/cpu/thread_pool.h"
#include "mec/tensor/cgroup.h"
#include "mec/tensor/error.h"

namespace mec::cpu {
namespace {

// What OpenMP says of this process, and what takes its place in a build without it.
#if MEC_HAVE_OPENMP

int allowed_processors() { return omp_get_num_procs(); }  // counted before OpenMP bound any thread

// The number of processors that OpenMP binds threads to (OMP_PLACES, GOMP_CPU_AFFINITY); all of
// them where it binds none.
int bound_processors() {
  int bound = 0;
  for (int place = 0; place < omp_get_num_places(); ++place) bound += omp_get_place_num_procs(place);
  return omp_get_proc_bind() != omp_proc_bind_false && bound > 0 ? bound : omp_get_num_procs();
}

// The number of threads that the environment or the caller has set; 0 for none.
int threads_set() {
  const int threads = omp_get_max_threads();
  return std::getenv("OMP_NUM_THREADS") || threads != omp_get_num_procs() ? threads : 0;
}

// Why a region that asks for `wanted` threads gets `given`.
std::string reason_of_limit(int given) {
  return omp_in_parallel() != 0            ? "a parallel region runs already, which has the threads"
         : omp_get_max_active_levels() < 1 ? "OMP_MAX_ACTIVE_LEVELS allows no more than 1"
                                           : concat("OMP_THREAD_LIMIT allows no more than ", given);
}

// Starts one parallel region, so that OpenMP creates its threads now and keeps them. Returns their
// number.
int make_region(int wanted) {
  const ThreadScope scope(wanted);
  int got = 1;
#pragma omp parallel num_threads(ThreadScope::current())
  {
#pragma omp single
    got = omp_get_num_threads();
  }
  return got;
}

#else

int allowed_processors() {
#if defined(__linux__)
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) return std::max(1, CPU_COUNT(&set));
#endif
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

int bound_processors() { return allowed_processors(); }

// The first number of OMP_NUM_THREADS, which batch jobs set.
int threads_set() {
  const char* const set = std::getenv("OMP_NUM_THREADS");
  return set ? std::clamp(std::atoi(set), 0, kMostThreads) : 0;
}

std::string reason_of_limit(int given) { return concat("there are no more than ", given, " in a pool"); }
int make_region(int wanted) { return wanted; }

#endif

struct Processors {
  int count;
  std::string reason;
};

Processors usable_processors() {
  const int allowed = allowed_processors(), bound = std::min(allowed, bound_processors());
#if defined(__unix__)
  const auto online = static_cast<int>(sysconf(_SC_NPROCESSORS_ONLN));
#else
  const int online = allowed;
#endif
  const double quota = cgroup_processors();
  if (quota < bound) {
    return {std::max(1, static_cast<int>(std::ceil(quota))),
            concat("the control group allows the time of ", quota, quota == 1 ? " processor" : " processors")};
  }
  if (bound < allowed) return {bound, concat("OpenMP binds threads to ", bound, " of ", counted(allowed, "processor"))};
  if (allowed < online) return {allowed, concat("this process may use ", allowed, " of ", counted(online, "processor"))};
  return {allowed, "one for each processor"};
}

// How many of `wanted` simultaneous threads the system can create, the calling one included.
int count_makeable(int wanted) {
  std::promise<void> enough;
  const std::shared_future<void> wait = enough.get_future().share();
  std::vector<std::thread> threads;
  try {
    threads.reserve(static_cast<std::size_t>(wanted));
    while (static_cast<int>(threads.size()) + 1 < wanted) threads.emplace_back([wait] { wait.wait(); });
  } catch (const std::system_error&) {  // counted below
  } catch (const std::bad_alloc&) {
  }
  enough.set_value();
  for (std::thread& thread : threads) thread.join();
  return static_cast<int>(threads.size()) + 1;
}

}  // namespace

void use_all_places() {
#if MEC_HAVE_OPENMP && defined(__linux__)
  if (omp_get_proc_bind() == omp_proc_bind_false) return;
  cpu_set_t set;
  CPU_ZERO(&set);
  for (int place = 0; place < omp_get_num_places(); ++place) {
    std::vector<int> processors(static_cast<std::size_t>(omp_get_place_num_procs(place)));
    omp_get_place_proc_ids(place, processors.data());
    for (const int processor : processors) {
      if (processor < CPU_SETSIZE) CPU_SET(static_cast<unsigned>(processor), &set);
    }
  }
  if (CPU_COUNT(&set) > 0) sched_setaffinity(0, sizeof set, &set);
#endif
}

Threads choose_threads(int requested, bool openmp) {
  const Processors processors = usable_processors();
  Threads threads{.count = processors.count, .processors = processors.count, .reason = processors.reason, .complaint = {}};
  if (requested > 0) {
    threads.count = requested;
    threads.reason = "as asked for";
  } else if (const int set = threads_set(); set > 0) {
    threads.count = set;
    threads.reason = std::getenv("OMP_NUM_THREADS") ? "OMP_NUM_THREADS" : "as OpenMP was set";
  }

  const int wanted = threads.count;
  if (const int given = threads_of_region(wanted); given < wanted) {
    threads.count = given;
    threads.reason = reason_of_limit(given);
  }
  const int makeable = count_makeable(threads.count);
  const bool system_limits = makeable < threads.count;
  if (system_limits) {
    threads.count = makeable;
    threads.reason =
        concat("the system makes no more than ", makeable, " (limits on processes or memory: ulimit -u, ulimit -v, pids.max)");
  }
  if (openmp) {
    threads.count = make_region(threads.count);
  } else if (threads.count > kMostThreads) {
    threads.count = kMostThreads;
    threads.reason = concat("there are no more than ", kMostThreads, " in a pool");
  }
  if (threads.count < wanted && (requested > 0 || system_limits)) {
    threads.complaint =
        concat(wanted, " threads ", requested > 0 ? "were asked for" : "would be used", ", but ", threads.reason);
  } else if (threads.count > threads.processors) {
    threads.complaint = concat(threads.count, " threads share ", counted(threads.processors, "processor"),
                               " and will wait for each other most of the time; ", threads.processors, " would be faster");
  }
  return threads;
}

#if MEC_HAVE_OPENMP

int threads_of_region(int wanted) {
  if (omp_in_parallel() != 0 || omp_get_max_active_levels() < 1) return 1;
  return std::min(wanted, omp_get_thread_limit());
}

ThreadScope::ThreadScope(int wanted) : threads_before_(omp_get_max_threads()), dynamic_before_(omp_get_dynamic()) {
  omp_set_dynamic(0);
  omp_set_num_threads(threads_of_region(wanted));
}
ThreadScope::~ThreadScope() {
  omp_set_num_threads(threads_before_);
  omp_set_dynamic(dynamic_before_);
}
int ThreadScope::current() { return omp_get_max_threads(); }

#else

int threads_of_region(int wanted) { return std::min(wanted, kMostThreads); }
ThreadScope::ThreadScope(int) : threads_before_(1), dynamic_before_(0) {}
ThreadScope::~ThreadScope() = default;
int ThreadScope::current() { return 1; }

#endif

}  // namespace mec::cpu
