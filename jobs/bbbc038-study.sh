#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The study of docs/results.md on BBBC038: FedAvg, HarmoFL and its two halves.
#
#   bash jobs/bbbc038-study.sh sweep    five learning rates for each method, 40 rounds, one seed
#   bash jobs/bbbc038-study.sh final    100 rounds, three seeds, at the rate that sweep prefers
#   bash jobs/bbbc038-study.sh why      what moves the result: norm, alpha, band, momentum; one seed
#   bash jobs/bbbc038-study.sh all      the three in this order
#
# Finished runs are kept, so a call continues where the last one stopped. Environment: RANKS
# (default 2), HARMOFL (the program), STUDY (folder of the runs), SHARDS (folder of the shards).
# tools/report.py makes the page: .deps/venv/bin/python tools/report.py runs/bbbc038-study/final --output FILE
set -euo pipefail
# shellcheck source=jobs/study-functions.sh
source "$(dirname "${BASH_SOURCE[0]}")/study-functions.sh"
study bbbc038-study jobs/bbbc038.ini runs/data/bbbc038
methods=(fedavg amplitude perturbation harmofl)
rates=(0.001 0.003 0.01 0.03 0.1)

# method NAME: sets `options` to what makes a method of the table.
method() {
  case $1 in
    fedavg) options=(--algorithm.name fedavg) ;;
    amplitude) options=(--algorithm.name harmofl --perturbation.alpha 0) ;;
    perturbation) options=(--algorithm.name harmofl --amplitude.band off) ;;
    harmofl) options=(--algorithm.name harmofl) ;;
  esac
}

sweep() {
  local rate name
  for rate in "${rates[@]}"; do
    for name in "${methods[@]}"; do
      method "$name"
      run "sweep/$name-lr$rate" "${options[@]}" --train.lr "$rate" --run.rounds 40 \
        --run.evaluate_every 10
    done
  done
}

final() {
  local seed name rate
  for seed in 0 1 2; do
    for name in "${methods[@]}"; do
      rate=$(best_rate "$name" "${rates[@]}")
      method "$name"
      run "final/$name-seed$seed" "${options[@]}" --train.lr "$rate" --run.seed "$seed" \
        --run.rounds 100 --run.evaluate_every 5
    done
  done
}

# Variants of seed 0: each differs from its method in what its name says. Group norm, which libtorch
# computes faster in contiguous memory, keeps the mean of an image that the batch norms remove.
why() {
  local name shared=(--run.rounds 100 --run.evaluate_every 5)
  local group=(--model.norm group --model.memory_format contiguous --train.lr 0.01)
  for name in fedavg amplitude; do
    method "$name"
    run "why/$name-norm-group" "${options[@]}" "${shared[@]}" "${group[@]}"
  done
  method harmofl
  run why/harmofl-alpha-0.01 "${options[@]}" "${shared[@]}" --train.lr "$(best_rate harmofl "${rates[@]}")" \
    --perturbation.alpha 0.01
  method amplitude
  run why/amplitude-band-full "${options[@]}" "${shared[@]}" \
    --train.lr "$(best_rate amplitude "${rates[@]}")" --amplitude.band full
  run why/amplitude-momentum-0.5 "${options[@]}" "${shared[@]}" \
    --train.lr "$(best_rate amplitude "${rates[@]}")" --amplitude.momentum 0.5
}

case ${1:-} in
  sweep | final | why) "$1" ;;
  all)
    sweep
    final
    why
    ;;
  *)
    print_help "$script" >&2
    exit 2
    ;;
esac
