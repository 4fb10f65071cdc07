#!/bin/sh
# with_mpirun.sh MPIRUN PROGRAM [ARGUMENT...]: runs the program; status 77, which ctest calls
# skipped, where MPIRUN cannot start two processes on this machine, and says why.
mpirun=$1
shift
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_rmaps_base_oversubscribe=1
export OMPI_MCA_btl_vader_single_copy_mechanism=none OMPI_MCA_hwloc_base_binding_policy=none
if ! reason=$(timeout 60 "$mpirun" -n 2 true 2>&1); then
  echo "skipped: $mpirun cannot start two processes here: $reason"
  exit 77
fi
exec "$@"
