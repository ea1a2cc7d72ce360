#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs the benchmarks, each figure a ratio to something run in turn with it.
#
#   bash bench/run.sh [--only NAME,...] [--json FILE] [--quick]
#
#   --only    step, round, overhead, trace, kernels, allreduce, aggregate, weak, memory,
#             lanes, startup, growth, gpu
#             (default: all; gpu is refused, with the reason, where no GPU is)
#   --json    writes a list of objects: name, ours, other, ratio, spread, goal, and what was run
#   --quick   the smallest sizes and one repeat: that everything runs and both sides agree, not how
#             fast
#
# Prints a table. Wants an idle machine; programs are pinned to as many cores as they have threads.
# Needs the programs bench_*, which are built with the tests, and for what is compared with other
# software `tools/install-deps.sh --bench`; what is not installed is named in the table.
#
# HARMOFL_BUILD: the build that is measured (default: build/release). HARMOFL_BENCH_CASE: only cases of
# step, round, overhead, trace and lanes whose names begin so, for instance densenet121 or A. HARMOFL_BENCH_PYTHON: a Python of
# yours with torch, h5py and safetensors instead of the one that install-deps.sh makes. One case of the family
# gpu at a time: PYTHONPATH=bench python3 -m suite.gpu --list. HARMOFL_BENCH_LOADS: how many cores are kept busy
# beside lanes, in turn (default: 0,1,2).
set -euo pipefail

# shellcheck source=tools/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/../tools/common.sh"
if [[ "${1:-}" == -h || "${1:-}" == --help ]]; then
  print_help "$0"
  exit 0
fi
mpi_env "$(cores)"  # never more ranks than cores
export OMP_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE=1
PYTHONPATH="$HARMOFL_ROOT/bench" exec "$HARMOFL_DEPS/venv/bin/python" -m suite "$@"
