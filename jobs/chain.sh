#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Queues COUNT jobs, each of which starts when the one before has ended and goes on with its run: for
# clusters where jobs may not requeue themselves. What is left of the chain after the last round ends
# at once, since nothing is to be done.
#
#   bash jobs/chain.sh COUNT [SBATCH_OPTIONS...] jobs/<file>.sbatch [OPTIONS of harmofl train...]
set -euo pipefail
# shellcheck source=tools/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/../tools/common.sh"
[[ "${1:-}" =~ ^[1-9][0-9]*$ && $# -ge 2 ]] || { print_help "$0" >&2; exit 2; }
count=$1
shift

after=()
for ((i = 0; i < count; ++i)); do
  job=$(WHEN_SAVED=stop sbatch --parsable "${after[@]}" "$@")
  job=${job%%;*}  # with several clusters the answer is <job>;<cluster>
  printf '%s\n' "$job"
  after=(--dependency="afterany:$job")
done
