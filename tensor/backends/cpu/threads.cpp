#include "mec/tensor/backends/cpu/threads.h"

#if MEC_HAVE_OPENMP
#include <omp.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <future>
#include <system_error>
#include <thread>
#include <vector>

#include "mec/tensor/cgroup.h"
#endif

#include "mec/tensor/error.h"

namespace mec::cpu {

#if MEC_HAVE_OPENMP

namespace {

struct Processors {
  int count;
  std::string reason;
};

// The number of processors that OpenMP binds threads to (OMP_PLACES, GOMP_CPU_AFFINITY); all of
// them where it binds none.
int bound_processors() {
  int bound = 0;
  for (int place = 0; place < omp_get_num_places(); ++place) bound += omp_get_place_num_procs(place);
  return omp_get_proc_bind() != omp_proc_bind_false && bound > 0 ? bound : omp_get_num_procs();
}

Processors usable_processors() {
  const int allowed = omp_get_num_procs();  // counted before OpenMP bound any thread
  const int bound = std::min(allowed, bound_processors());
  const auto online = static_cast<int>(sysconf(_SC_NPROCESSORS_ONLN));
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

}  // namespace

int threads_of_region(int wanted) {
  if (omp_in_parallel() != 0 || omp_get_max_active_levels() < 1) return 1;
  return std::min(wanted, omp_get_thread_limit());
}

Threads choose_threads(int requested) {
  const Processors processors = usable_processors();
  Threads threads{.count = processors.count, .processors = processors.count, .reason = processors.reason, .complaint = {}};
  const int openmp = omp_get_max_threads();
  const bool environment = std::getenv("OMP_NUM_THREADS") != nullptr;
  const bool asked = requested > 0 || environment || openmp != omp_get_num_procs();
  if (requested > 0) {
    threads.count = requested;
    threads.reason = "as asked for";
  } else if (asked) {
    threads.count = openmp;
    threads.reason = environment ? "OMP_NUM_THREADS" : "as OpenMP was set";
  }

  const int wanted = threads.count;
  if (const int given = threads_of_region(wanted); given < wanted) {
    threads.count = given;
    threads.reason = omp_in_parallel() != 0            ? "a parallel region runs already, which has the threads"
                     : omp_get_max_active_levels() < 1 ? "OMP_MAX_ACTIVE_LEVELS allows no more than 1"
                                                       : concat("OMP_THREAD_LIMIT allows no more than ", given);
  }
  const int makeable = count_makeable(threads.count);
  const bool system_limits = makeable < threads.count;
  if (system_limits) {
    threads.count = makeable;
    threads.reason =
        concat("the system makes no more than ", makeable, " (limits on processes or memory: ulimit -u, ulimit -v, pids.max)");
  }
  threads.count = make_region(threads.count);
  if (threads.count < wanted && (requested > 0 || system_limits)) {
    threads.complaint =
        concat(wanted, " threads ", requested > 0 ? "were asked for" : "would be used", ", but ", threads.reason);
  } else if (threads.count > threads.processors) {
    threads.complaint = concat(threads.count, " threads share ", counted(threads.processors, "processor"),
                               " and will wait for each other most of the time; ", threads.processors, " would be faster");
  }
  return threads;
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

int threads_of_region(int) { return 1; }
Threads choose_threads(int requested) {
  Threads one{.count = 1, .processors = 1, .reason = "built without OpenMP", .complaint = {}};
  if (requested > 1) one.complaint = concat(requested, " threads were asked for, but mec was ", one.reason);
  return one;
}
ThreadScope::ThreadScope(int) : threads_before_(1), dynamic_before_(0) {}
ThreadScope::~ThreadScope() = default;
int ThreadScope::current() { return 1; }

#endif

}  // namespace mec::cpu
