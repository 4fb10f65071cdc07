// What the module mec_mpi offers: MPI's functions, as far as a communicator needs them.
//
// The module alone is linked to an MPI library, and is opened where a launcher has started the
// program: a build runs on machines without MPI, and the program is the same for each MPI. No
// exception crosses: functions return null, or why they failed.
#pragma once

#include <cstddef>
#include <cstdint>

namespace mec {

using MpiMessage = std::intptr_t;

struct MpiFunctions {
  // The library's name and version. May be called at any time.
  const char* (*library)();
  // Call once, before those below; these fail where other ranks keep them waiting for more than
  // `patience` seconds, and say which. Then the message is still under way: the process must end.
  const char* (*start)(int* rank, int* size, double patience);
  // Of the ranks `all` those that give the same group, as ranks of their own. All call it at once:
  // it has no patience.
  const char* (*split)(int all, int group, int* made, int* rank, int* size);
  // Begin a message as HostCommunicator's, of these ranks: 0 is all that were started; bytes are
  // those of one rank's block. Its memory is MPI's until it is done.
  const char* (*gather)(int ranks, const void* from, void* to, std::size_t bytes, MpiMessage* message);
  const char* (*exchange)(int ranks, const void* from, void* to, std::size_t bytes, MpiMessage* message);
  const char* (*broadcast)(int ranks, void* bytes, std::size_t count, MpiMessage* message);
  const char* (*test)(MpiMessage* message, int* done);  // not again once it is done
  const char* (*wait)(MpiMessage* message);
  // Call once, after those above. start() and finish() end the process, with one line, where other
  // ranks keep them waiting for so long: MPI cannot give up to begin or to end.
  void (*finish)();
  void (*abort)(int status);
};

// The module's only symbol, `const MpiFunctions* mec_mpi_functions_3()`. Its number rises when the
// struct changes.
inline constexpr const char* kMpiFunctionsSymbol = "mec_mpi_functions_3";
using GetMpiFunctions = const MpiFunctions* (*)();

}  // namespace mec
