#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# From a fresh checkout to a comparison of two methods: installs what is missing, builds, makes a
# small synthetic federation of four sites that image the same anatomy differently, trains FedAvg
# and HarmoFL on it with four MPI ranks, and prints the test Dice per site.
#
#   tools/quickstart.sh
#
# A second call uses again what was installed, built and synthesised, and trains anew (it removes
# runs/quickstart and nothing else).
set -euo pipefail

# shellcheck source=tools/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

if [[ "${1:-}" == -h || "${1:-}" == --help ]]; then
  print_help "$0"
  exit 0
fi
[[ $# -eq 0 ]] || fail "unknown option '$1'; quickstart takes none"
cd "$HARMOFL_ROOT"

harmofl=build/release/harmofl
config=jobs/quickstart.ini     # the hyper-parameters; it reads the data below
data=runs/data/quickstart      # the synthetic federation
runs=runs/quickstart           # one run folder per method
methods=(fedavg harmofl)
ranks=4                        # one per site

# timed NAME COMMAND...: runs the command and keeps how long it took, for the end.
timings=()
timed() {
  local name="$1" start="$SECONDS"
  shift
  "$@"
  timings+=("$(printf '%-24s %4d s' "$name" "$((SECONDS - start))")")
}

synthesize() {
  if [[ -d "$data" ]]; then
    step "synthetic federation: there, in $data"
    return
  fi
  step "synthetic federation: four sites, into $data"
  # Under another name first: an interrupted call leaves nothing that looks whole.
  rm -rf "$data.part"
  mkdir -p "$(dirname "$data")"
  "$harmofl" synthesize --output "$data.part" --task segmentation --sites 4 \
    --train 48 --val 12 --test 12 --size 64x64 --seed 0
  mv "$data.part" "$data"
}

train() {
  local method="$1"
  step "train: $method, $ranks ranks"
  mpirun -n "$ranks" "$harmofl" train --config "$config" \
    --algorithm.name "$method" --run.output "$runs/$method"
}

timed "dependencies" tools/install-deps.sh
timed "build" build_preset release --target harmofl harmofl-prepare
timed "synthetic data" synthesize

mpi_env "$ranks"
export OMP_NUM_THREADS=1  # the ranks share the cores; threads of their own would only crowd them
rm -rf "${runs:?}"
mkdir -p "$runs"
run_folders=()
for method in "${methods[@]}"; do
  timed "train $method" train "$method"
  run_folders+=("$runs/$method")
done

step "test Dice per site, of each method's best round"
echo
"$HARMOFL_DEPS/venv/bin/python" tools/report.py "${run_folders[@]}" --output "$runs/report.html"
echo
step "where things are"
note "$runs/report.html    the page of these runs, for a browser"
for folder in "${run_folders[@]}"; do
  note "$folder/    metrics.jsonl: every round; best.h5: the best model; summary.json: the table's numbers"
done
note "$data/    the synthetic sites"
step "how long it took"
for line in "${timings[@]}"; do
  note "$line"
done
