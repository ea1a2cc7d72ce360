# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Sourced by the studies in this folder: runs that are kept, and resumed where they stopped.
# Environment: RANKS (default 2), HARMOFL (the program), STUDY (folder of the runs), SHARDS (folder of
# the shards).
# shellcheck source=tools/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/../tools/common.sh"
# shellcheck disable=SC2034  # the studies read it
script="$(realpath "$0")"  # of the study, for its help
cd "$HARMOFL_ROOT" || exit 1
ranks=${RANKS:-2}
program=${HARMOFL:-build/release/harmofl}
mpi_env "$((ranks + 1))"

# study NAME CONFIG SHARDS: what the runs have in common; STUDY is runs/NAME and SHARDS as given where
# the environment does not say otherwise.
study() {
  study=${STUDY:-runs/$1}
  config=$2
  shards=${SHARDS:-$3}
}

# run NAME KEY VALUE ...: one run, skipped when it is finished, resumed when it was cut off.
run() {
  local name=$1
  shift
  [[ -e "$study/$name/summary.json" ]] && return 0
  mkdir -p "$(dirname "$study/$name")"
  printf '%s\n' "$name"
  mpirun -n "$ranks" "$program" train --config "$config" --data.shards "$shards" \
    --device.threads 1 --run.name "$name" --run.output "$study/$name" --run.resume true \
    "$@" >>"$study/$name.log" 2>&1 || { tail -n 5 "$study/$name.log" >&2; return 1; }
}

# best_rate METHOD RATE ...: the learning rate of the runs sweep/METHOD-lrRATE with the highest mean
# validation Dice.
best_rate() {
  "$HARMOFL_DEPS/venv/bin/python" - "$study/sweep" "$@" <<'PYTHON'
import json, pathlib, sys
folder, method, *rates = sys.argv[1:]
def dice(rate):
    summary = pathlib.Path(folder, f"{method}-lr{rate}", "summary.json")
    return json.loads(summary.read_text())["val"]["mean"]["dice"]
print(max(rates, key=dice))
PYTHON
}
