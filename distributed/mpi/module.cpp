#define OMPI_SKIP_MPICXX 1   // MPI's own C++ is not used
#define MPICH_SKIP_MPICXX 1  // NOLINT
#include <mpi.h>

#include <algorithm>
#include <chrono>
#include <climits>
#include <cstdio>
#include <cstring>
#include <thread>

#include "mec/distributed/mpi/functions.h"

namespace {

char reason[MPI_MAX_ERROR_STRING + 1];
double patience_s = 0;

const char* why(int code) {
  if (code == MPI_SUCCESS) return nullptr;
  int length = 0;
  if (MPI_Error_string(code, reason, &length) != MPI_SUCCESS) std::snprintf(reason, sizeof reason, "MPI error %d", code);
  return reason;
}

// Messages have at most so many bytes: MPI counts in int.
const char* too_long(std::size_t bytes) {
  if (bytes <= INT_MAX) return nullptr;
  std::snprintf(reason, sizeof reason, "a message of %zu bytes is longer than MPI's limit of %d", bytes, INT_MAX);
  return reason;
}

// Other processes of this machine may need the processor to get here: after some thousand looks,
// sleeps between two of them. A sleep of more than a second, as of a job that is suspended, counts
// as one.
const char* wait(MPI_Request request) {
  using Clock = std::chrono::steady_clock;
  double waited = 0;
  auto last = Clock::now();
  for (long looks = 0;; ++looks) {
    int done = 0;
    if (const char* failure = why(MPI_Test(&request, &done, MPI_STATUS_IGNORE))) return failure;
    if (done != 0) return nullptr;
    if (looks < 5000) continue;
    std::this_thread::sleep_for(std::chrono::microseconds(looks < 10000 ? 20 : 200));
    const auto now = Clock::now();
    waited += std::min(std::chrono::duration<double>(now - last).count(), 1.0);
    last = now;
    if (waited < patience_s) continue;
    std::snprintf(reason, sizeof reason,
                  "other processes have not come for %.0f s (MEC_PATIENCE): one hangs, its machine is gone, or process 0 takes "
                  "longer for files and scores",
                  patience_s);
    return reason;
  }
}

const char* library() {
  static char version[MPI_MAX_LIBRARY_VERSION_STRING];
  int length = 0;
  if (MPI_Get_library_version(version, &length) != MPI_SUCCESS) return "MPI";
  // "Open MPI v4.1.4, package: …"; "MPICH Version:\t4.0.2\n…"
  version[std::strcspn(version, ",\n")] = '\0';
  std::replace(version, version + std::strlen(version), '\t', ' ');
  return version;
}

const char* start(int* rank, int* size, double patience) {
  patience_s = patience;
  int level = 0;
  if (const char* failure = why(MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &level))) return failure;
  MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
  if (const char* failure = why(MPI_Comm_rank(MPI_COMM_WORLD, rank))) return failure;
  return why(MPI_Comm_size(MPI_COMM_WORLD, size));
}

const char* gather(const void* from, void* to, std::size_t bytes) {
  if (const char* failure = too_long(bytes)) return failure;
  const int count = static_cast<int>(bytes);
  MPI_Request request;
  if (const char* failure = why(MPI_Iallgather(from, count, MPI_BYTE, to, count, MPI_BYTE, MPI_COMM_WORLD, &request)))
    return failure;
  return wait(request);
}

const char* exchange(const void* from, void* to, std::size_t bytes) {
  if (const char* failure = too_long(bytes)) return failure;
  const int count = static_cast<int>(bytes);
  MPI_Request request;
  if (const char* failure = why(MPI_Ialltoall(from, count, MPI_BYTE, to, count, MPI_BYTE, MPI_COMM_WORLD, &request)))
    return failure;
  return wait(request);
}

const char* broadcast(void* bytes, std::size_t count) {
  if (const char* failure = too_long(count)) return failure;
  MPI_Request request;
  if (const char* failure = why(MPI_Ibcast(bytes, static_cast<int>(count), MPI_BYTE, 0, MPI_COMM_WORLD, &request)))
    return failure;
  return wait(request);
}

const char* finish() { return why(MPI_Finalize()); }

void abort(int status) { MPI_Abort(MPI_COMM_WORLD, status); }

}  // namespace

extern "C" const mec::MpiFunctions* mec_mpi_functions_1() {
  static const mec::MpiFunctions functions{library, start, gather, exchange, broadcast, finish, abort};
  return &functions;
}
