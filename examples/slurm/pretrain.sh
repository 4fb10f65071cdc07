#!/bin/bash
# A pre-training run that is longer than the queue's time limit: a job that requeues itself until
# the run is done.
#
#   sbatch examples/slurm/pretrain.sh CONFIG.toml DIR [more options of mec pretrain]
#   sbatch --nodes=4 --ntasks-per-node=8 --cpus-per-task=8 examples/slurm/pretrain.sh CONFIG.toml DIR
#
# With several tasks, srun starts as many processes, which train together over MPI. (Where srun does
# not start MPI's processes by itself, export SLURM_MPI_TYPE=pmix.)
#
# Slurm sends SIGUSR1 to this shell 120 seconds before the limit. mec then finishes its step, writes
# a checkpoint and exits with status 75; the job is requeued, and the same command goes on from the
# checkpoint. At SIGTERM (scancel, preemption) it stops in the same way with status 143; whoever
# sent it decides whether the job runs again. Any other status but 0 is an error, and stays one.
#
#SBATCH --job-name=mec
#SBATCH --nodes=1
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=16
#SBATCH --time=08:00:00
#SBATCH --signal=B:USR1@120
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=mec-%j.log

set -u
if [ $# -lt 2 ]; then
  echo "usage: sbatch $0 CONFIG.toml DIR [options of mec pretrain]" >&2
  exit 2
fi
config=$1
dir=$2
shift 2

srun mec pretrain "$config" --out "$dir" --resume "$@" &
run=$!
trap 'signalled=1; kill -USR1 "$run"' USR1
trap 'signalled=1; kill -TERM "$run"' TERM

# A signal that the shell handles ends `wait` before the run has ended.
signalled=1
while [ "$signalled" -eq 1 ]; do
  signalled=0
  wait "$run"
  status=$?
done

if [ "$status" -eq 75 ]; then
  echo "requeueing job $SLURM_JOB_ID"
  scontrol requeue "$SLURM_JOB_ID"
fi
exit "$status"
