#!/bin/sh
# mpich.sh SOURCE BUILD [OPTION...]: configures with the options and MPICH instead of the default
# MPI, builds, and runs the suite of all communicators under its launcher. Status 77, which ctest
# calls skipped, where MPICH is not installed.
set -eu
source=$1
build=$2
shift 2
for program in mpicxx.mpich mpiexec.mpich; do
  if ! command -v $program >/dev/null; then
    echo "skipped: there is no $program (Debian's libmpich-dev and mpich)"
    exit 77
  fi
done

cmake -S "$source" -B "$build" -DMEC_MPI=ON -DMPI_CXX_COMPILER=mpicxx.mpich "$@"
cmake --build "$build" --target mec_mpi test_distributed
test_distributed=$build/tests/test_distributed

for processes in 2 3 5; do
  mpiexec.mpich -n $processes "$test_distributed" --no-skip --test-suite=launched >"$build/out.txt" 2>&1 || {
    cat "$build/out.txt"
    exit 1
  }
  # Each process has run it.
  [ "$(grep -c 'test cases: *1 |  *1 passed' "$build/out.txt")" -eq $processes ] || {
    echo "not all $processes processes have run the suite:"
    cat "$build/out.txt"
    exit 1
  }
done

# A process that hangs ends the others, which say so; the launcher then ends that one.
if MEC_PATIENCE=5 timeout 120 mpiexec.mpich -n 3 "$test_distributed" --no-skip --test-suite=hangs >"$build/out.txt" 2>&1; then
  echo "a process that hangs was not noticed"
  exit 1
fi
grep -q 'error: MPI: other processes have not come for 5 s (MEC_PATIENCE): process 1 on ' "$build/out.txt" || {
  cat "$build/out.txt"
  exit 1
}
