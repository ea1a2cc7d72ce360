# SPDX-License-Identifier: Apache-2.0
# Sourced by the .sbatch files of this folder: runs that end in time, and go on in the next start.
# shellcheck shell=bash
# shellcheck source=tools/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/../tools/common.sh"
cd "$HARMOFL_ROOT" || exit
# shellcheck source=jobs/site.sh
source "${HARMOFL_SITE:-jobs/site.sh}"
prepare_site

# The number of this job alone; the last task of an array has that of the whole array.
job=${SLURM_JOB_ID:?is not set: submit this with sbatch}
[[ -z "${SLURM_ARRAY_JOB_ID:-}" ]] || job="${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID"
interrupted=no
launched=  # process id of the launcher while there is one

# Signals to this script alone (--signal=B:USR1@..., scancel --signal=USR1 --batch): USR1 asks to save and
# to go on later, TERM to save and end.
interrupt() {
  interrupted=$1
  [[ -z "$launched" ]] || kill -USR1 "$launched" 2>/dev/null || true
}
trap 'interrupt USR1' USR1
trap 'interrupt TERM' TERM

# Sets `launch` to what starts the job's ranks.
choose_launcher() {
  case $launcher in
    mpirun) launch=(mpirun -n "$SLURM_NTASKS" "${mpirun_options[@]}") ;;
    srun)
      # One kind of barrier for all: with two (Slurm's default, "mixed") about one start of Open MPI in a
      # hundred crashes in MPI_Init (docs/guides/cluster.md).
      export SLURM_PMIX_FENCE="${SLURM_PMIX_FENCE:-tree}"
      # A rank that dies ends the step: without this the others wait for it until the job's time is over.
      launch=(srun -n "$SLURM_NTASKS" --kill-on-bad-exit=1 "${srun_options[@]}")
      # Since Slurm 22.05 srun does not take this from the job.
      [[ -z "${SLURM_CPUS_PER_TASK:-}" ]] || launch+=(--cpus-per-task="$SLURM_CPUS_PER_TASK")
      ;;
    *) fail "launcher '$launcher' is unknown; known: mpirun, srun. See ${HARMOFL_SITE:-jobs/site.sh}" ;;
  esac
}

# Waits for the launcher and sets `status`. A trapped signal ends `wait`, not the launcher; bash still
# knows how a child ended that is gone.
wait_for_launcher() {
  while kill -0 "$launched" 2>/dev/null; do
    wait "$launched" || true
  done
  status=0
  wait "$launched" || status=$?
  launched=
}

# train OPTION...: one run with what Slurm gave this job, resumed where the last start left it.
# Returns when the run is complete; a run that was interrupted, or failed, ends the job, but for a
# failure that the function named by `excuses_failure`, where there is one, accepts by returning 0.
train() {
  local launch status=75
  if [[ "$interrupted" == no ]]; then
    choose_launcher
    launch+=("${program[@]}" train --resume "$@")
    note "${launch[*]}"
    "${launch[@]}" &
    launched=$!
    [[ "$interrupted" == no ]] || interrupt "$interrupted"  # the signal came in between
    wait_for_launcher
    [[ "$status" -ne 0 ]] || return 0
    if [[ "$interrupted" == no && "$status" -ne 75 && -n "${excuses_failure:-}" ]]; then
      ! "$excuses_failure" "$status" || return 0
    fi
  fi
  go_on_later "$status"
}

# True when Slurm takes the nodes for another job. The notice, a SIGTERM, ends mpirun's daemons on the
# other nodes, and with them the run, unsaved; ranks of srun save.
preempted() { scontrol --oneliner show job "$job" | grep -q ' PreemptTime=[0-9]'; }

# may_go_on STATUS: whether a run that ended so is to be queued again. 75 is harmofl's "saved". Asked to
# end before its first round it ends by the signal, with nothing to save; a time limit that is too short
# would do that again and again.
may_go_on() {
  [[ "$1" -eq 75 ]] || preempted ||
    [[ "$interrupted" == USR1 && "${SLURM_RESTART_COUNT:-0}" -lt 5 ]]
}

# go_on_later STATUS: ends the job, and queues it again where it was interrupted.
go_on_later() {
  local status=$1
  may_go_on "$status" || exit "$status"
  [[ "$when_saved" == requeue && "$interrupted" != TERM ]] || exit 75
  step "requeue of job $job (restart ${SLURM_RESTART_COUNT:-0})"
  scontrol requeue "$job" && exit 0
  note "job $job is saved, but could not be requeued: submit it again"
  exit 75
}
