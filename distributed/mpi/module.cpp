#define OMPI_SKIP_MPICXX 1   // MPI's own C++ is not used
#define MPICH_SKIP_MPICXX 1  // NOLINT
#include <mpi.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <climits>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <string>
#include <thread>
#include <vector>

#include "mec/distributed/mpi/functions.h"
#include "mec/distributed/mpi/watch.h"
#include "mec/tensor/waiting.h"

namespace {

using Clock = std::chrono::steady_clock;
using Host = std::array<char, 64>;  // its name, cut to what fits

std::string reason;  // of the last failure
double patience_s = 0;
int own_rank = 0;
std::vector<MPI_Comm> communicators{MPI_COMM_WORLD};  // by the numbers that functions.h gives them
std::vector<Host> hosts;                              // of all ranks, once they have told; before, "" for each

const char* because(std::string text) {
  reason = std::move(text);
  return reason.c_str();
}

MPI_Comm numbered(int ranks) { return communicators[static_cast<std::size_t>(ranks)]; }

const char* why(int code) {
  if (code == MPI_SUCCESS) return nullptr;
  char text[MPI_MAX_ERROR_STRING + 1];
  int length = 0;
  if (MPI_Error_string(code, text, &length) != MPI_SUCCESS) return because("MPI error " + std::to_string(code));
  return because(text);
}

// Messages have at most so many bytes: MPI counts in int.
const char* too_long(std::size_t bytes) {
  if (bytes <= INT_MAX) return nullptr;
  return because("a message of " + std::to_string(bytes) + " bytes is longer than MPI's limit of " + std::to_string(INT_MAX));
}

// Behind what it keeps from being done. Needs no memory.
const char* others_not_here(const char* what = "") {
  static char line[160];
  std::snprintf(line, sizeof line, "%sother processes have not come for %ld s (MEC_PATIENCE)", what, std::lround(patience_s));
  return line;
}

constexpr int kHere = 1;  // the tag of the roll call's messages

// Whether another rank has lost its patience, and calls the roll.
bool roll_is_called() {
  int called = 0;
  return MPI_Iprobe(MPI_ANY_SOURCE, kHere, MPI_COMM_WORLD, &called, MPI_STATUS_IGNORE) == MPI_SUCCESS && called != 0;
}

// Each rank that waits tells all others that it is here, and so hears of all that wait. A rank that
// hangs, or still computes, tells nothing. Those that tell nothing, with their hosts; "" for none.
std::string call_the_roll() {
  constexpr auto kAnswersTake = std::chrono::seconds(3);  // a rank that waits looks 5000 times a second
  static char here = 0, heard = 0;                        // MPI may use them until the process ends
  std::vector<MPI_Request> answers(hosts.size(), MPI_REQUEST_NULL);
  for (std::size_t rank = 0; rank < hosts.size(); ++rank) {
    MPI_Request sent;
    const int sends = MPI_Isend(&here, 1, MPI_CHAR, static_cast<int>(rank), kHere, MPI_COMM_WORLD, &sent);
    if (sends == MPI_SUCCESS) MPI_Request_free(&sent);
    MPI_Irecv(&heard, 1, MPI_CHAR, static_cast<int>(rank), kHere, MPI_COMM_WORLD, &answers[rank]);
  }
  int all = 0;
  for (const auto end = Clock::now() + kAnswersTake; all == 0 && Clock::now() < end;) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    MPI_Testall(static_cast<int>(answers.size()), answers.data(), &all, MPI_STATUSES_IGNORE);
  }
  std::string silent;
  int more = 0;
  for (std::size_t rank = 0; rank < hosts.size(); ++rank) {
    int answered = 0;
    MPI_Request_get_status(answers[rank], &answered, MPI_STATUS_IGNORE);
    if (answered != 0) continue;
    more += silent.size() > 200 ? 1 : 0;
    if (more > 0) continue;
    silent += (silent.empty() ? "process " : ", process ") + std::to_string(rank);
    if (hosts[rank].front() != 0) silent += std::string(" on ") + hosts[rank].data();
  }
  return more > 0 ? silent + " and " + std::to_string(more) + " more" : silent;
}

const char* lost_patience() {
  const std::string silent = call_the_roll();
  if (silent.empty()) return because(std::string(others_not_here()) + "; now all are here, too late");
  return because(std::string(others_not_here()) + ": " + silent +
                 "; a process hangs, its machine is gone, or process 0 takes longer for its files");
}

// Other processes of this machine may need the processor to get here: after some thousand looks,
// sleeps between two of them.
const char* wait_for(MPI_Request request) {
  mec::Waiting waiting;
  for (long looks = 0;; ++looks) {
    int done = 0;
    if (const char* failure = why(MPI_Test(&request, &done, MPI_STATUS_IGNORE))) return failure;
    if (done != 0) return nullptr;
    if (looks < 5000) continue;
    std::this_thread::sleep_for(std::chrono::microseconds(looks < 10000 ? 20 : 200));
    if (waiting.seconds() >= patience_s || (looks >= 10000 && roll_is_called())) return lost_patience();
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

// MpiMessage holds a request, a number or a pointer.
static_assert(sizeof(MPI_Request) <= sizeof(mec::MpiMessage));
void keep(MPI_Request request, mec::MpiMessage* message) { std::memcpy(message, &request, sizeof request); }
MPI_Request request_of(const mec::MpiMessage* message) {
  MPI_Request request;
  std::memcpy(&request, message, sizeof request);
  return request;
}

const char* gather(int ranks, const void* from, void* to, std::size_t bytes, mec::MpiMessage* message) {
  if (const char* failure = too_long(bytes)) return failure;
  const int count = static_cast<int>(bytes);
  int rank = 0;
  if (const char* failure = why(MPI_Comm_rank(numbered(ranks), &rank))) return failure;
  if (from == static_cast<std::byte*>(to) + bytes * static_cast<std::size_t>(rank)) from = MPI_IN_PLACE;
  MPI_Request request;
  if (const char* failure = why(MPI_Iallgather(from, count, MPI_BYTE, to, count, MPI_BYTE, numbered(ranks), &request)))
    return failure;
  keep(request, message);
  return nullptr;
}

const char* exchange(int ranks, const void* from, void* to, std::size_t bytes, mec::MpiMessage* message) {
  if (const char* failure = too_long(bytes)) return failure;
  const int count = static_cast<int>(bytes);
  MPI_Request request;
  if (const char* failure = why(MPI_Ialltoall(from, count, MPI_BYTE, to, count, MPI_BYTE, numbered(ranks), &request)))
    return failure;
  keep(request, message);
  return nullptr;
}

const char* broadcast(int ranks, void* bytes, std::size_t count, mec::MpiMessage* message) {
  if (const char* failure = too_long(count)) return failure;
  MPI_Request request;
  if (const char* failure = why(MPI_Ibcast(bytes, static_cast<int>(count), MPI_BYTE, 0, numbered(ranks), &request)))
    return failure;
  keep(request, message);
  return nullptr;
}

const char* test(mec::MpiMessage* message, int* done) {
  MPI_Request request = request_of(message);
  const char* const failure = why(MPI_Test(&request, done, MPI_STATUS_IGNORE));
  keep(request, message);
  return failure;
}

const char* wait(mec::MpiMessage* message) { return wait_for(request_of(message)); }

const char* start(int* rank, int* size, double patience) {
  patience_s = patience;
  int level = 0;
  {
    const mec::Watch watch(patience_s, others_not_here("MPI does not begin: "));
    if (const char* failure = why(MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &level))) return failure;
  }
  MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
  if (const char* failure = why(MPI_Comm_rank(MPI_COMM_WORLD, rank))) return failure;
  if (const char* failure = why(MPI_Comm_size(MPI_COMM_WORLD, size))) return failure;
  own_rank = *rank;
  hosts.resize(static_cast<std::size_t>(*size));
  char name[MPI_MAX_PROCESSOR_NAME + 1] = "";
  int length = 0;
  if (const char* failure = why(MPI_Get_processor_name(name, &length))) return failure;
  Host own{};
  std::snprintf(own.data(), own.size(), "%s", name);
  std::vector<Host> all(hosts.size());
  mec::MpiMessage message = 0;
  if (const char* failure = gather(0, own.data(), all.data(), sizeof own, &message)) return failure;
  if (const char* failure = wait(&message)) return failure;
  hosts = all;
  return nullptr;
}

const char* split(int all, int group, int* made, int* rank, int* size) {
  if (const char* failure = why(MPI_Comm_rank(numbered(all), rank))) return failure;
  MPI_Comm part = MPI_COMM_NULL;
  if (const char* failure = why(MPI_Comm_split(numbered(all), group, *rank, &part))) return failure;
  *made = static_cast<int>(communicators.size());
  communicators.push_back(part);
  if (const char* failure = why(MPI_Comm_rank(part, rank))) return failure;
  return why(MPI_Comm_size(part, size));
}

void abort(int status) {
  const mec::Watch watch(30, "MPI does not end the other processes, as the launcher should now");
  MPI_Abort(MPI_COMM_WORLD, status);
}

const char* meet() {
  MPI_Request request;
  if (const char* failure = why(MPI_Ibarrier(MPI_COMM_WORLD, &request))) return failure;
  return wait_for(request);
}

// What f says; where it throws, as for want of memory, a failure.
template <auto f, class... Arguments> const char* guarded(Arguments... arguments) {
  try {
    return f(arguments...);
  } catch (const std::exception&) {
    return "there is no memory left for a message";
  }
}

// All meet before MPI ends, so that it can be said who is missing.
void finish() {
  if (const char* failure = guarded<meet>()) {
    if (own_rank > 0) std::this_thread::sleep_for(std::chrono::seconds(2));  // one tells, if it can
    std::fprintf(stderr, "error: MPI: %s\n", failure);
    abort(1);
    std::_Exit(1);
  }
  const mec::Watch watch(patience_s, others_not_here("MPI does not end: "));
  MPI_Finalize();
}

}  // namespace

extern "C" const mec::MpiFunctions* mec_mpi_functions_3() {
  static const mec::MpiFunctions functions{
      library,       guarded<start>, guarded<split>, guarded<gather>, guarded<exchange>, guarded<broadcast>, guarded<test>,
      guarded<wait>, finish,         abort};
  return &functions;
}
