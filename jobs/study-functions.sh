# Sourced by the studies in this folder: runs that are kept, and resumed where they stopped.
# Needs `study` (folder of the runs), `config` (INI file), `shards`, `ranks`, `program`, and
# tools/common.sh.

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
