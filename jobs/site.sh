# SPDX-License-Identifier: Apache-2.0
# What differs from cluster to cluster: edit this file, or let HARMOFL_SITE name another one like it.
# The job files source it. Sourced before sbatch as well, it gives sbatch its options:
#
#   source jobs/site.sh && sbatch jobs/many-nodes.sbatch
# shellcheck shell=bash disable=SC2034

# Read by sbatch itself, where the shell that calls it has them.
# export SBATCH_PARTITION=compute SBATCH_ACCOUNT=project SBATCH_CONSTRAINT=

# The modules that harmofl was built with, and what else a job needs in its environment.
prepare_site() {
  # module load gcc/12 openmpi hdf5 boost
  # export HARMOFL_PYTHON=$HOME/pytorch/bin/python   # for a bundle: a Python that has PyTorch
  # export TMPDIR=${SLURM_TMPDIR:-/scratch/$USER}   # a disk of the node, where there is one
  :
}

# The program, seen from the root of the checkout or absolute, with what has to stand before it:
# program=(apptainer exec --bind "$PWD" harmofl.sif harmofl)
# The job files for GPUs set HARMOFL_PRESET to cuda. In a bundle it is the bundle's, with its own mpirun.
program=("${HARMOFL:-build/${HARMOFL_PRESET:-release}/harmofl}")
if [[ -x bin/start ]]; then
  program=("${HARMOFL:-bin/harmofl}") PATH="$PWD/bin:$PATH"
fi

# mpirun or srun (docs/guides/cluster.md says when), and what it is told besides the number of ranks.
launcher=${LAUNCHER:-mpirun}
mpirun_options=(--bind-to core --map-by "slot:PE=${SLURM_CPUS_PER_TASK:-1}")
srun_options=(--mpi=pmix --cpu-bind=cores)

# What a job does that was interrupted and has saved: requeue (the same job waits again) or stop (for
# clusters that forbid it: jobs/chain.sh queues the jobs that go on).
when_saved=${WHEN_SAVED:-requeue}
