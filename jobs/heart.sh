#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# FLamby's table of Fed-Heart-Disease, every method and seed, beside the published one: docs/results.md.
#
#   bash jobs/heart.sh
#
# Finished runs are kept, so a call continues where the last one stopped. Environment: RANKS (default
# 1), HARMOFL and HARMOFL_PREPARE (the programs), STUDY (folder of the runs), SEEDS (default "42 43
# 44"), ORDERS (default 1: of batches, how many for each seed). datasets/heart.md tells of the data,
# tools/report_heart.py writes the table.
set -euo pipefail
RANKS=${RANKS:-1}
# shellcheck source=jobs/study-functions.sh
source "$(dirname "${BASH_SOURCE[0]}")/study-functions.sh"
if [[ "${1:-}" == -h || "${1:-}" == --help ]]; then
  print_help "$script"
  exit 0
fi
study heart jobs/heart.ini runs/data/heart/site
source=tests/fixtures/heart
prepare=${HARMOFL_PREPARE:-build/release/harmofl-prepare}
data=$(dirname "$shards")      # site: standardised by each hospital's rows; all: by those of all
read -ra seeds <<<"${SEEDS:-42 43 44}"
hospitals=(cleveland hungarian switzerland va)

prepare_data() {
  local by
  for by in site all; do
    "$prepare" tabular --input "$source/heart.csv" --output "$data/$by" --id-column id \
      --numeric age,sex,trestbps,chol,fbs,thalach,exang,oldpeak --categorical cp,restecg \
      --drop-first --standardise "$by" >"$data-$by.log"
  done
  python3 tools/report_heart.py weights "$source/initial.csv" "$data"
}

# measure NAME AS [--site SITE]: the last model of a run on the four hospitals, each standardised by
# itself, and on all of them standardised together.
measure() {
  local name=$1 as=$2 by
  shift 2
  for by in site all; do
    [[ -e "$study/$as-$by.json" ]] && continue
    "$program" evaluate --checkpoint "$study/$name/checkpoint.h5" --shards "$data/$by" \
      --output "$study/$as-$by.json" "$@" >>"$study/$name.log"
  done
}

# method NAME ALGORITHM KEY VALUE ...: a run of a federated method, and its accuracies.
method() {
  local name=$1 algorithm=$2
  shift 2
  run "$folder/$name" --algorithm.name "$algorithm" "${common[@]}" "$@"
  measure "$folder/$name" "$folder/$name"
}

# all_methods SEED ORDER
all_methods() {
  local hospital
  folder="$1-$2"
  common=(--model.weights "$data/initial-$1.safetensors" --run.seed "$(($1 + 1000 * $2))")
  local adaptive=(--algorithm.beta1 0.9 --algorithm.tau 1e-8)
  local epochs=(--run.rounds 1 --train.local_steps 0 --train.local_epochs 50
    --train.optimizer adam --train.lr 0.001)
  method fedavg fedavg --train.lr 0.001
  method fedprox fedprox --train.lr 0.001 --algorithm.mu 0.01
  method scaffold scaffold --train.lr 0.001
  method fedadam fedadam --train.lr 0.01 --algorithm.server_lr 0.01 --algorithm.beta2 0.999 \
    "${adaptive[@]}"
  method fedyogi fedyogi --train.lr 0.003162 --algorithm.server_lr 0.01 \
    --algorithm.beta2 0.999 "${adaptive[@]}"
  method fedadagrad fedadagrad --train.lr 0.003162 --algorithm.server_lr 0.316228 "${adaptive[@]}"
  method cyclic cyclic --train.lr 0.01
  # What the published rows of Cyclic hold: Cleveland's model, which was trained in 4 of 15 turns.
  run "$folder/cyclic-apart" --algorithm.name local "${common[@]}" --train.lr 0.01 --run.rounds 4
  measure "$folder/cyclic-apart" "$folder/cyclic-apart" --site cleveland
  run "$folder/local" --algorithm.name local "${common[@]}" "${epochs[@]}"
  for hospital in "${hospitals[@]}"; do
    measure "$folder/local" "$folder/local-$hospital" --site "$hospital"
  done
  shards="$data/all" method pooled fedavg --data.partition pooled "${epochs[@]}"
}

mkdir -p "$data"
prepare_data
for seed in "${seeds[@]}"; do
  for ((order = 0; order < ${ORDERS:-1}; ++order)); do
    all_methods "$seed" "$order"
  done
done
python3 tools/report_heart.py table "$source" "$study"
