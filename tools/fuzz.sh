#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Fuzzes all that reads a file or a line: builds the preset `fuzz` (clang) and runs its targets.
#
#   tools/fuzz.sh [NAME] [SECONDS]
#
#   NAME      one target (tests/fuzz/targets.hpp), or `all`, one after the other (default)
#   SECONDS   for each target (default: 60)
#
# New inputs that reach new code stay in build/fuzz/corpus/NAME, so that a later call goes on from
# there; an input that breaks something is written to build/fuzz/findings. Move it to
# tests/fuzz/found/NAME once it is mended: the unit tests replay what lies there.
# HARMOFL_FUZZ_SEED: of what is drawn (default: another one each time).
# Exit status: 0 nothing was found, 1 something was.
set -euo pipefail

# shellcheck source=tools/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

if [[ "${1:-}" == -h || "${1:-}" == --help ]]; then
  print_help "$0"
  exit 0
fi
name="${1:-all}"
seconds="${2:-60}"
[[ "$seconds" =~ ^[0-9]+$ ]] || fail "'$seconds' is not a number of seconds"
folder="$HARMOFL_ROOT/tests/fuzz"
build="$HARMOFL_ROOT/build/fuzz"
mapfile -t names < <(sed -n 's/^  X(\([a-z_]*\)).*/\1/p' "$folder/targets.hpp")
if [[ "$name" != all ]]; then
  [[ " ${names[*]} " == *" $name "* ]] || fail "there is no target '$name'; known: all ${names[*]}"
  names=("$name")
fi
command -v clang++ >/dev/null || fail "there is no clang++. Run: tools/install-deps.sh --fuzz"

build_preset fuzz --target "${names[@]/#/fuzz_}"
export UBSAN_OPTIONS=print_stacktrace=1 ASAN_OPTIONS=quarantine_size_mb=64
# The limits are what a reader may take for an input of at most 64 KiB.
limits=(-max_len=65536 -timeout=10 -rss_limit_mb=1024 -malloc_limit_mb=256)

# of LOG PATTERN: what the last line that has the sed pattern's group says, or 0.
of() {
  local value
  value="$(sed -nE "s/$2/\\1/p" "$1" | tail -n 1)"
  printf '%s' "${value:-0}"
}

step "fuzz: $seconds s each"
mkdir -p "$build/findings" "$build/logs"
status=0
printf '%-12s %12s %8s %8s  %s\n' target executions seconds edges found
for target in "${names[@]}"; do
  log="$build/logs/$target" result=nothing
  mkdir -p "$build/corpus/$target"
  known=()
  for kept in "$folder/corpus/$target" "$folder/found/$target"; do
    [[ ! -d "$kept" ]] || known+=("$kept")
  done
  dictionary=()
  [[ ! -f "$folder/dictionaries/$target" ]] || dictionary=("-dict=$folder/dictionaries/$target")
  start=$SECONDS
  if ! "$build/tests/fuzz/fuzz_$target" "${limits[@]}" "${dictionary[@]}" -print_final_stats=1 \
    -seed="${HARMOFL_FUZZ_SEED:-0}" -max_total_time="$seconds" -artifact_prefix="$build/findings/$target-" \
    "$build/corpus/$target" "${known[@]}" >"$log" 2>&1; then
    result="$(grep -m 1 -E 'ERROR: |runtime error' "$log" || tail -n 1 "$log") (whole: $log)"
    status=1
  fi
  printf '%-12s %12s %8s %8s  %s\n' "$target" "$(of "$log" 'stat::number_of_executed_units: *([0-9]+)')" \
    "$((SECONDS - start))" "$(of "$log" '.* cov: ([0-9]+) .*')" "$result"
done
exit "$status"
