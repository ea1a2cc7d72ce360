#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What a GPU is to be asked, one part after the other: does the program start, do the GPU tests pass, how
# fast are steps beside PyTorch's. Lies in the bundle (tools/bundle.sh) and runs there, from any folder.
#
#   gpu-check.sh [--torch FOLDER | --python PYTHON] [--output FOLDER] [--limit SECONDS]
#                [--only PATTERN,...] [--again] [--list]
#
#   --torch FOLDER   PyTorch's folder (site-packages/torch); by default the one that --python has
#   --python PYTHON  a Python that has PyTorch (default: python3); without any torch in it the parts that
#                    compare with PyTorch are skipped
#   --output FOLDER  report.md, report.json and logs/, written anew after every part (default: gpu-report)
#   --limit SECONDS  time in all; parts that find no more of it are listed as not run (default: none)
#   --only PATTERN   only parts whose names match, as a shell's patterns: 'tests/*', 'bench/*bf16*'
#   --again          also what the report in FOLDER has already; without it a call goes on where the last ended
#   --list           the parts, and how long each may take
#
# Exit status: 0 no part failed (skipped ones and those not run are in the report); 1 a part failed.
set -euo pipefail
root="$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")" && pwd)"

fail() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

# The script's own head comment is its help text.
print_help() { awk 'NR == 1 || /^# SPDX/ { next } { if (!/^#/) exit; sub(/^# ?/, ""); print }' "$1"; }

arguments=()
while [[ $# -gt 0 ]]; do
  case "$1" in
    --torch | --python | --output | --limit | --only)
      [[ $# -ge 2 ]] || fail "$1 needs a value; see --help"
      case "$1" in
        --torch) export HARMOFL_TORCH="$2" ;;
        --python) export HARMOFL_PYTHON="$2" ;;
        *) arguments+=("$1" "$2") ;;
      esac
      shift
      ;;
    --again | --list) arguments+=("$1") ;;
    -h | --help)
      print_help "${BASH_SOURCE[0]}"
      exit 0
      ;;
    *) fail "unknown option '$1'; see --help" ;;
  esac
  shift
done
[[ -x "$root/bin/start" ]] ||
  fail "there is no bundle in $root. Make one by tools/bundle.sh, unpack it, and run the gpu-check.sh in it."
python="${HARMOFL_PYTHON:-python3}"
command -v "$python" >/dev/null || fail "there is no '$python', and the report needs a Python (3.10 or newer). Name one by --python."

HARMOFL_TORCH_LIBRARIES="$("$root/bin/start")"
export HARMOFL_TORCH_LIBRARIES
# As many ranks as wanted on any machine, as root as well; CPU sides on one thread.
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_rmaps_base_oversubscribe=1
export OMPI_MCA_hwloc_base_binding_policy=none OMPI_MCA_mpi_yield_when_idle=1
export OMPI_MCA_btl_vader_single_copy_mechanism=none
export OMP_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE=1
PYTHONPATH="$root/tools${PYTHONPATH:+:$PYTHONPATH}" exec "$python" -m gpu_check --root "$root" ${arguments[@]+"${arguments[@]}"}
