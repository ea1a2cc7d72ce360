#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The scaling study of docs/guides/scaling.md: jobs/scaling.ini on 1, 2 and 4 ranks, strong and weak,
# five runs each, and its projection to 4,096 ranks on two machines. On a machine that does nothing
# else.
#
#   bash jobs/scaling.sh
#
# The tables that it prints lie in STUDY/*.txt, the pictures in STUDY/strong and STUDY/weak.
# Finished runs are kept, so a call continues where the last one stopped. Environment: HARMOFL (the
# program), STUDY (folder of the runs, default runs/scaling), SHARDS (folder of the shards, default
# runs/data/scaling).
set -euo pipefail
# shellcheck source=tools/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/../tools/common.sh"
if [[ "${1:-}" == --help ]]; then
  print_help "${BASH_SOURCE[0]}"
  exit 0
fi
[[ $# -eq 0 ]] || fail "arguments are not known: $*. See --help."
export HARMOFL=${HARMOFL:-build/release/harmofl}
study=${STUDY:-runs/scaling}
ranks=1,4,16,64,256,1024,4096  # of projections
shards=${SHARDS:-runs/data/scaling}
cd "$HARMOFL_ROOT"

# scaling COMMAND ARGUMENTS...: tools/scaling.py
scaling() { "$HARMOFL_DEPS/venv/bin/python" tools/scaling.py "$@"; }

if ! compgen -G "$shards/*.h5" >/dev/null; then
  "$HARMOFL" synthesize --output "$shards" --task classification --sites 10 --train 128 --val 1 \
    --test 1 --size 64x64 >/dev/null
fi
mkdir -p "$study"
for kind in strong weak; do
  step "$kind scaling"
  scaling run --config jobs/scaling.ini --kind "$kind" --output "$study/$kind" \
    -- --data.shards "$shards" >"$study/$kind.txt"
  cat "$study/$kind.txt"
done
# project STUDY NAME ARGUMENTS...: a projection and its text
project() {
  step "projection: $2"
  scaling project "$study/$1" --name "$2" "${@:3}" >"$study/$2.txt"
  cat "$study/$2.txt"
}

platforms=tools/scaling/platforms
for platform in fat-tree dragonfly; do
  project strong "$platform" --platform "$platforms/$platform.json" --clients 1024 --ranks "$ranks"
done
project strong unet --platform "$platforms/fat-tree.json" --clients 1024 --ranks "$ranks" \
  --message-bytes 31028744  # what clients of the U-Net of width 32 send
project weak weak-error --platform "$platforms/fat-tree.json" --ranks 1
