#!/usr/bin/env bash
# Runs the benchmarks, each figure a ratio to something run in turn with it.
#
#   bash bench/run.sh [--only NAME,...] [--json FILE] [--quick]
#
#   --only    allreduce, aggregate, weak, memory (default: all)
#   --json    writes a list of objects: name, ours, other, ratio, spread, goal, and what was run
#   --quick   the smallest sizes and one repeat: that everything runs, not how fast
#
# Prints a table. Wants an idle machine; threads are pinned to one a rank. Needs bench_allreduce,
# which is built with the tests.
set -euo pipefail

# shellcheck source=tools/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/../tools/common.sh"
if [[ "${1:-}" == -h || "${1:-}" == --help ]]; then
  print_help "$0"
  exit 0
fi
mpi_env "$(cores)"  # never more ranks than cores
export OMP_NUM_THREADS=1
exec "$HARMOFL_DEPS/venv/bin/python" "$HARMOFL_ROOT/bench/cluster.py" "$@"
