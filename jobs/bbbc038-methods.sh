#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# All methods on BBBC038, each with its published defaults: docs/results.md.
#
#   bash jobs/bbbc038-methods.sh sweep    three learning rates for each method, 30 rounds, one seed
#   bash jobs/bbbc038-methods.sh final    100 rounds, three seeds, at the rate that sweep prefers
#   bash jobs/bbbc038-methods.sh norms    FedAvg with FedBN's norm, by what becomes of its statistics
#   bash jobs/bbbc038-methods.sh all      the three in this order
#
# Finished runs are kept, so a call continues where the last one stopped. In a Slurm job array each
# task takes its share of the runs of `sweep`, later of `final` (--array=0-13: one method a task).
# Environment: RANKS (default 2), HARMOFL (the program), STUDY (folder of the runs), SHARDS,
# METHODS (default: all that `harmofl algorithms` lists).
# tools/report.py makes the page: .deps/venv/bin/python tools/report.py runs/bbbc038-methods/final --output FILE
set -euo pipefail
# shellcheck source=jobs/study-functions.sh
source "$(dirname "${BASH_SOURCE[0]}")/study-functions.sh"
study bbbc038-methods jobs/bbbc038-methods.ini runs/data/bbbc038-64
rates=(0.1 0.3 1)
read -ra methods <<<"${METHODS:-ditto fedadagrad fedadam fedavg fedavgm fedbn feddyn fednova fedprox fedsam fedyogi harmofl moon scaffold}"
if [[ -n "${SLURM_ARRAY_TASK_ID:-}" ]]; then
  methods=("${methods[$((SLURM_ARRAY_TASK_ID % ${#methods[@]}))]}")
fi

sweep() {
  local rate name
  for rate in "${rates[@]}"; do
    for name in "${methods[@]}"; do
      run "sweep/$name-lr$rate" --algorithm.name "$name" --train.lr "$rate" --run.rounds 30 \
        --run.evaluate_every 10
    done
  done
}

final() {
  local seed name
  for seed in 0 1 2; do
    for name in "${methods[@]}"; do
      run "final/$name-seed$seed" --algorithm.name "$name" --run.seed "$seed" \
        --train.lr "$(best_rate "$name" "${rates[@]}")"
    done
  done
}

norms() {
  local policy
  for policy in average local recompute; do
    run "norms/fedavg-batch-$policy" --algorithm.name fedavg --model.norm batch \
      --model.buffers "$policy" --train.lr "$(best_rate fedbn "${rates[@]}")"
  done
}

case ${1:-} in
  sweep | final | norms) "$1" ;;
  all)
    sweep
    final
    norms
    ;;
  *)
    print_help "$script" >&2
    exit 2
    ;;
esac
