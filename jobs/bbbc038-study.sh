#!/usr/bin/env bash
# The study of docs/results.md on BBBC038: FedAvg, HarmoFL and its two halves.
#
#   bash jobs/bbbc038-study.sh sweep    learning rates of each method, 50 rounds, one seed
#   bash jobs/bbbc038-study.sh final    150 rounds, three seeds, at the rates chosen below
#   bash jobs/bbbc038-study.sh why      what moves the result: norm, band, alpha; one seed
#
# Finished runs are kept, so a call continues where the last one stopped. Environment: RANKS
# (default 2), HARMOFL (the program), STUDY (folder of the runs), SHARDS (folder of the shards).
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=tools/common.sh
. tools/common.sh
ranks=${RANKS:-2}
program=${HARMOFL:-build/release/harmofl}
study=${STUDY:-runs/bbbc038-study}
shards=${SHARDS:-runs/data/bbbc038}
mpi_env

# run NAME KEY VALUE ...: one run, skipped when it is finished, resumed when it was cut off.
run() {
  local name=$1
  shift
  [ -e "$study/$name/summary.json" ] && return 0
  mkdir -p "$(dirname "$study/$name")"
  printf '%s\n' "$name"
  mpirun -n "$ranks" "$program" train --config jobs/bbbc038.ini --data.shards "$shards" \
    --device.threads 1 --run.name "$name" --run.output "$study/$name" --run.resume true \
    "$@" >>"$study/$name.log" 2>&1
}

# method NAME: the options that make a method of the table.
method() {
  case $1 in
    fedavg) echo "--algorithm.name fedavg" ;;
    amplitude) echo "--algorithm.name harmofl --perturbation.alpha 0" ;;
    perturbation) echo "--algorithm.name harmofl --amplitude.band off" ;;
    harmofl) echo "--algorithm.name harmofl" ;;
  esac
}

methods="fedavg amplitude perturbation harmofl"
case ${1:-} in
  sweep)
    for lr in 0.001 0.003 0.01; do
      for m in $methods; do
        # shellcheck disable=SC2046
        run "sweep/$m-lr$lr" $(method "$m") --train.lr "$lr" --run.rounds 50 --run.evaluate_every 10
      done
    done
    ;;
  *)
    echo "usage: $0 sweep|final|why" >&2
    exit 2
    ;;
esac
