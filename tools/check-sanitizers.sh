#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs the unit tests, and what communicates at 1 and 2 ranks, with contracts checked and under the
# address and undefined-behaviour sanitizers (the preset `asan`).
#
#   tools/check-sanitizers.sh [--light]
#
#   --light   only the programs that do not use libtorch (files, tables, messages): minutes, not an hour
#
# Each program runs once as a whole. Exit status: 0 all passed; 1 a program failed (all are tried).
set -euo pipefail

# shellcheck source=tools/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
if [[ "${1:-}" == -h || "${1:-}" == --help ]]; then
  print_help "$0"
  exit 0
fi
light=""
case "${1:-}" in
  "") ;;
  --light) light=light_ ;;
  *) fail "unknown option '$1'; known: --light --help" ;;
esac
cd "$HARMOFL_ROOT"
build_preset asan --target "${light}unit_tests" "${light}mpi_tests"

mpi_env "$(($(cores) + 1))"
# Open MPI and libtorch keep memory until they end. Whatever else is found ends the program.
export ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 OMP_NUM_THREADS=1

failed=()
# check NAME COMMAND...: runs one test program; its output is shown when it fails.
check() {
  local name="$1" log start=$SECONDS status=0
  shift
  log="$(mktemp)"
  "$@" --gtest_brief=1 >"$log" 2>&1 || status=$?
  if [[ $status -eq 0 ]]; then
    note "$name: passed in $((SECONDS - start)) s"
  elif [[ $status -eq 77 ]]; then
    note "$name: skipped: $(grep -m 1 -A 1 SKIPPED "$log" || true)"
  else
    cat "$log"
    note "$name: failed with status $status"
    failed+=("$name")
  fi
  rm -f "$log"
}

# programs KIND: the test programs of a kind that are in the build, one a line.
programs() { sed '/^$/d' "build/asan/$light$1-tests.txt"; }

step "sanitizers: unit tests"
while IFS= read -r program; do
  check "$(basename "$program")" "$program" </dev/null
done < <(programs unit)
step "sanitizers: tests that communicate, at 1 and 2 ranks"
while IFS= read -r program; do
  for ranks in 1 2; do
    check "$(basename "$program").ranks$ranks" mpirun -n "$ranks" "$program" </dev/null
  done
done < <(programs mpi)
[[ ${#failed[@]} -eq 0 ]] || fail "the sanitizers or contracts found something: ${failed[*]}"
