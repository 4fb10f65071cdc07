// The processes that a launcher (mpirun, mpiexec, srun) has started together.
#pragma once

#include <optional>
#include <string>

#include "mec/distributed/communicator.h"

namespace mec {

// What the launcher's environment says. Without a launcher, or of one process: nothing. Nothing,
// too, where the variable MEC_PROCESSES is 1: then each process is a run of its own.
struct Launch {
  int size = 1;          // processes in all
  std::string variable;  // that says so: "OMPI_COMM_WORLD_SIZE"
};
std::optional<Launch> find_launch();

// The MPI library that this build runs on, with its version; "" where there is none.
std::string describe_mpi();

// How many seconds a rank waits for others: half an hour, or as many as the variable MEC_PATIENCE
// says. ValueError where that is no number.
int patience();

// The processes of the launch, over MPI; one process without a launch. Call once, from the thread
// that will make all calls. DeviceError where this build has no MPI, where the launcher belongs to
// another MPI than the build's, or where MPI cannot start.
//
// A call for which other ranks do not come is a DeviceError after patience(); the process must then
// end. To begin and to end, MPI waits for all ranks, and cannot give up: where one does not come
// for so long, the process ends with one line and status 1.
CommunicatorPtr join_processes();

}  // namespace mec
