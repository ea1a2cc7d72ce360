# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Functions that the scripts of this folder share. To be sourced, never run:
#
#   source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
#
# Sets
#   HARMOFL_ROOT   the folder of the checkout
#   HARMOFL_DEPS   where install-deps.sh puts what it fetches (default: <checkout>/.deps); CMake
#                  finds the same folder by itself, through this variable or its default

HARMOFL_ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
HARMOFL_DEPS="${HARMOFL_DEPS:-$HARMOFL_ROOT/.deps}"
[[ "$HARMOFL_DEPS" == /* ]] || HARMOFL_DEPS="$PWD/$HARMOFL_DEPS"
export HARMOFL_ROOT HARMOFL_DEPS

# Colours only where a person looks at them.
if [[ -t 1 && -z "${NO_COLOR:-}" && "${TERM:-dumb}" != dumb ]]; then
  bold=$'\e[1m' red=$'\e[31m' green=$'\e[32m' plain=$'\e[0m'
else
  bold='' red='' green='' plain=''
fi

# step TEXT...: says what happens next.
step() { printf '%s==>%s %s\n' "$bold$green" "$plain$bold" "$*$plain"; }

# note TEXT...: a line that belongs to the step above it.
note() { printf '    %s\n' "$*"; }

# fail TEXT...: says why on stderr and ends the script with status 1.
fail() {
  printf '%serror:%s %s\n' "$red" "$plain" "$*" >&2
  exit 1
}

# The script's own head comment (everything up to the first line that is none), without the line of its
# licence, is its help text.
print_help() { awk 'NR == 1 || /^# SPDX/ { next } { if (!/^#/) exit; sub(/^# ?/, ""); print }' "$1"; }

# cores: how many this process may use.
cores() { nproc 2>/dev/null || getconf _NPROCESSORS_ONLN; }

# build_preset NAME [CMAKE_BUILD_ARGUMENTS...]: configures and builds a preset of CMakePresets.json,
# in build/NAME. HARMOFL_CMAKE_ARGS: more arguments for the configuration, for instance -DHARMOFL_WERROR=ON.
build_preset() {
  local preset="$1"
  shift
  step "configure: preset $preset"
  # shellcheck disable=SC2086  # several arguments
  (cd "$HARMOFL_ROOT" && cmake --preset "$preset" ${HARMOFL_CMAKE_ARGS:-})
  step "build: preset $preset, $(cores) jobs"
  (cd "$HARMOFL_ROOT" && cmake --build --preset "$preset" -j "$(cores)" "$@")
}

# mpi_env [RANKS]: settings under which mpirun works on one small machine, a container included.
# Not meant for a cluster, whose scheduler places and binds the ranks.
mpi_env() {
  local ranks="${1:-1}"
  if [[ "$(id -u)" -eq 0 ]]; then
    export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
  fi
  export OMPI_MCA_rmaps_base_oversubscribe=1
  # Every mpirun would bind its ranks from core 0 on: two at a time would share it.
  export OMPI_MCA_hwloc_base_binding_policy=none
  if [[ "$ranks" -gt "$(cores)" ]]; then
    export OMPI_MCA_mpi_yield_when_idle=1  # waiting ranks leave the core to those that compute
  fi
}
