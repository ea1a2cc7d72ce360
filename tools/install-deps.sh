#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs what harmofl needs on Debian 12 (or tells what to load on a cluster).
#
#   tools/install-deps.sh [--cuda] [--pytorch] [--bench] [--cluster] [--fuzz] [--lint] [--docs]
#                         [--report] [--bundle] [--mlflow] [--trace] [--prefix DIR] [--no-system]
#
#   --cuda        also what the `cuda` preset needs to compile and link (NCCL, CUDA headers; no GPU,
#                 no CUDA toolkit needed)
#   --pytorch     also what Python needs to import torch from the same wheel: the tests compare with
#                 plain PyTorch (1.5 GB to fetch, 3.4 GB on disk in all; GPU libraries, which torch
#                 loads even where no GPU is), and torch.compile needs
#   --bench       also what bench/run.sh compares with: pfl-research and Flower, in an environment of
#                 their own (0.2 GB to fetch, 0.7 GB on disk), --pytorch, whose torch they share, and
#                 Python's headers, against which torch.compile compiles
#   --cluster     also Slurm with munge and SimGrid, for the tests that start a small cluster on this
#                 machine; left out with a note where only root could install them. None of their
#                 services is started.
#   --fuzz        also clang with its fuzzer, for tools/fuzz.sh
#   --lint        also what tools/check.sh runs: shellcheck, and in an environment of their own ruff,
#                 codespell and clang-tidy (0.1 GB to fetch)
#   --docs        also Doxygen, for the API pages
#   --report      also Chromium, for the tests that open the page of tools/report.py in a browser (0.3 GB
#                 on disk); the report itself needs none
#   --bundle      also patchelf, for tools/bundle.sh
#   --mlflow      also MLflow's client, for tools/to_mlflow.py (30 MB to fetch, 110 MB on disk)
#   --trace       also Perfetto's trace processor, for the tests that open a run's trace with it, in an
#                 environment of its own (0.04 GB to fetch)
#   --prefix DIR  where the Python environment and libtorch go (default: $HARMOFL_DEPS, or else
#                 .deps in the checkout)
#   --no-system   do not look at the system's packages: compiler, MPI, HDF5 and so on come from
#                 elsewhere (environment modules, Spack, ...)
#
# The parts, each of them left alone when it is already there:
#   1. packages of the system, through apt-get, as root or by sudo
#   2. DIR/venv      numpy, h5py, pandas, scipy, matplotlib, clang-format, onnxruntime and tensorboard,
#                    for the tools and tests; with --mlflow its client
#   3. DIR/libtorch  libtorch as the PyTorch wheel holds it, with the two small CUDA libraries that
#                    its CPU part is linked against
#   4. DIR/bench-venv  with --bench: pfl, Flower and what they need
#   5. DIR/lint-venv   with --lint
#   6. DIR/trace-venv  with --trace
#
# HARMOFL_PYTHON names another Python (3.11 or newer, with venv) than /usr/bin/python3.
# Exit status: 0 all is there; 2 packages are missing and cannot be installed without root.
set -euo pipefail

# --- What is installed; a change here reinstalls the part -----------------------------------------
system_packages=(
  build-essential cmake ninja-build ccache git ca-certificates pkg-config
  libopenmpi-dev openmpi-bin libhdf5-dev libboost-program-options-dev
  libgtest-dev libgmock-dev libbenchmark-dev libpng-dev libtiff-dev libjpeg62-turbo-dev libpugixml-dev zlib1g-dev nlohmann-json3-dev libxxhash-dev
  python3 python3-venv
)
cluster_packages=(slurm-wlm munge libsimgrid-dev)
fuzz_packages=(clang-14 clang libclang-rt-14-dev)
lint_packages=(shellcheck)
docs_packages=(doxygen)
report_packages=(chromium fonts-dejavu-core)
bench_packages=(python3-dev)
bundle_packages=(patchelf)
# What pip installs stands in tools/requirements/NAME.txt, with the checksum of every file that it may
# fetch (tools/update_hashes.py); pip refuses any other.

# shellcheck source=tools/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

with_cuda=no
with_pytorch=no
with_bench=no
with_cluster=no
with_fuzz=no
with_lint=no
with_docs=no
with_report=no
with_bundle=no
with_mlflow=no
with_trace=no
with_system=yes
while [[ $# -gt 0 ]]; do
  case "$1" in
    --cuda) with_cuda=yes ;;
    --pytorch) with_pytorch=yes ;;
    --bench) with_bench=yes with_pytorch=yes ;;
    --cluster) with_cluster=yes ;;
    --fuzz) with_fuzz=yes ;;
    --lint) with_lint=yes ;;
    --docs) with_docs=yes ;;
    --report) with_report=yes ;;
    --bundle) with_bundle=yes ;;
    --mlflow) with_mlflow=yes ;;
    --trace) with_trace=yes ;;
    --no-system) with_system=no ;;
    --prefix)
      [[ $# -ge 2 ]] || fail "--prefix needs a folder"
      HARMOFL_DEPS="$2"
      shift
      ;;
    -h | --help)
      print_help "$0"
      exit 0
      ;;
    *) fail "unknown option '$1'; known: --cuda --pytorch --bench --cluster --fuzz --lint --docs --report --bundle --mlflow --trace --prefix DIR --no-system --help" ;;
  esac
  shift
done
python="${HARMOFL_PYTHON:-/usr/bin/python3}"

# --- 1. Packages of the system --------------------------------------------------------------------

# missing_packages PACKAGE...: prints those that are not installed, one a line.
missing_packages() {
  if ! command -v dpkg-query >/dev/null; then  # not a Debian: nothing can be known
    printf '%s\n' "$@"
    return
  fi
  local package
  for package in "$@"; do
    # shellcheck disable=SC2016  # ${Status} is dpkg-query's, not the shell's
    if [[ "$(dpkg-query -W -f '${Status}' "$package" 2>/dev/null)" != "install ok installed" ]]; then
      printf '%s\n' "$package"
    fi
  done
}

# Says what someone without root can do.
explain_without_root() {
  cat >&2 <<EOF
error: these packages are missing, and only root can install them (there is no usable sudo):

    $*

On Debian 12 or newer ask for:  apt-get install --no-install-recommends $*

On a cluster load modules (or Spack packages) instead; their names differ from site to site:
    module load gcc/12 cmake/3.25 ninja openmpi hdf5 boost googletest benchmark libpng libtiff libjpeg-turbo pugixml nlohmann-json xxhash python/3.11
      gcc >= 12, cmake >= 3.25, an MPI with a C interface, HDF5 >= 1.10 (C library), Boost >= 1.74
      (program_options), GoogleTest >= 1.12, Google Benchmark >= 1.7, libpng, libtiff >= 4.5, libjpeg-turbo,
      pugixml, nlohmann-json >= 3.11, xxhash >= 0.8, Python >= 3.11
then
    HARMOFL_PYTHON=\$(command -v python3) tools/install-deps.sh --no-system
and tell CMake where libraries of your own are, where it does not find them by itself:
    cmake --preset release -DMPI_HOME=<folder> -DHDF5_ROOT=<folder> \\
      -DHARMOFL_TORCH_ROOT=<folder with libtorch's lib/ and include/, or a site-packages/torch>
EOF
}

# Sets as_root to what runs a command as root; fails where nothing does, or nothing is to be installed
# by apt-get.
find_root() {
  as_root=()
  command -v apt-get >/dev/null || return 1
  [[ "$(id -u)" -ne 0 ]] || return 0
  # A sudo that would ask for a password is of use only where someone can type it.
  command -v sudo >/dev/null && { sudo -n true 2>/dev/null || [[ -t 0 ]]; } || return 1
  as_root=(sudo)
}

# without_services COMMAND...: runs it while Debian's packages start no daemons.
without_services() {
  local policy=/usr/sbin/policy-rc.d status=0
  if [[ -e "$policy" ]]; then  # the machine's own decision
    "$@"
    return
  fi
  printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee "$policy" >/dev/null
  "${as_root[@]}" chmod 755 "$policy"
  "$@" || status=$?
  "${as_root[@]}" rm -f "$policy"
  return "$status"
}

# apt_install PACKAGE...: as root; its output matters only when it goes wrong.
apt_install() {
  step "system packages: installing $*"
  local apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0)
  "${apt[@]}" update </dev/null
  local log
  log="$(mktemp)"
  if ! without_services "${apt[@]}" install -y --no-install-recommends "$@" </dev/null >"$log" 2>&1; then
    tail -n 40 "$log" >&2
    rm -f "$log"
    fail "apt-get could not install the packages (its last lines are above)"
  fi
  rm -f "$log"
}

install_system_packages() {
  local wanted=("${system_packages[@]}") missing=() cluster_missing=() as_root=()
  [[ "$with_fuzz" == no ]] || wanted+=("${fuzz_packages[@]}")
  [[ "$with_lint" == no ]] || wanted+=("${lint_packages[@]}")
  [[ "$with_docs" == no ]] || wanted+=("${docs_packages[@]}")
  [[ "$with_report" == no ]] || wanted+=("${report_packages[@]}")
  [[ "$with_bench" == no ]] || wanted+=("${bench_packages[@]}")
  [[ "$with_bundle" == no ]] || wanted+=("${bundle_packages[@]}")
  mapfile -t missing < <(missing_packages "${wanted[@]}")
  if [[ "$with_cluster" == yes ]]; then
    mapfile -t cluster_missing < <(missing_packages "${cluster_packages[@]}")
  fi
  if [[ $((${#missing[@]} + ${#cluster_missing[@]})) -eq 0 ]]; then
    step "system packages: all are there"
  elif find_root; then
    apt_install "${missing[@]}" "${cluster_missing[@]}"
  elif [[ ${#missing[@]} -gt 0 ]]; then
    explain_without_root "${missing[@]}"
    exit 2
  else
    step "system packages: all are there but ${cluster_missing[*]}"
    note "only root can install them; the tests that need them are skipped"
  fi
}

# --- 2. and 3. Python packages and libtorch -------------------------------------------------------
# Each folder holds a stamp with its pins, written last: without it, or with other pins in it, the
# folder is made anew.

is_current() {  # is_current STAMP_FILE PINS
  [[ -f "$1" && "$(cat "$1")" == "$2" ]]
}

requirements() { printf '%s' "$HARMOFL_ROOT/tools/requirements/$1.txt"; }

# pins NAME: the packages of a list and their versions, on one line.
pins() { sed -n 's/^\([A-Za-z][^ ]*==[^ ]*\).*/\1/p' "$(requirements "$1")" | paste -sd ' '; }

# pip_install VENV NAME PIP_ARGUMENTS...: installs the packages of a list and nothing else.
pip_install() {
  local venv="$1" name="$2"
  shift 2
  "$HARMOFL_DEPS/$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-input --no-deps \
    --require-hashes --requirement "$(requirements "$name")" "$@"
}

# install_environment NAME VENV WHAT: a Python environment in DIR/VENV, made anew when its list has
# changed.
install_environment() {
  local name="$1" venv="$HARMOFL_DEPS/$2" what="$3" stamp
  # Its programs name the folder on their first line: a moved environment is made anew as well.
  stamp="$venv $python $(pins "$name")"
  if is_current "$venv/.harmofl-pins" "$stamp" && "$venv/bin/python" -c '' 2>/dev/null; then
    step "$what: there"
    return
  fi
  step "$what: installing $(pins "$name")"
  rm -rf "$venv"
  "$python" -m venv "$venv"
  pip_install "$2" "$name"
  printf '%s\n' "$stamp" >"$venv/.harmofl-pins"
}

install_libtorch() {
  local target="$HARMOFL_DEPS/libtorch"
  if is_current "$target/.harmofl-pins" "$(pins libtorch)"; then
    step "libtorch: there"
    return
  fi
  step "libtorch: installing $(pins libtorch) (0.6 GB to fetch, 1.2 GB on disk)"
  # Under another name first: an interrupted installation is never taken for a whole one.
  rm -rf "$target.part"
  pip_install venv libtorch --target "$target.part"
  pins libtorch >"$target.part/.harmofl-pins"
  rm -rf "$target"
  mv "$target.part" "$target"
}

# install_beside NAME WHAT: puts the packages of a list into libtorch's folder, file by file: libtorch finds
# its neighbours there by its run path, and what is already compiled against it stays up to date.
install_beside() {
  local name="$1" what="$2"
  local target="$HARMOFL_DEPS/libtorch"
  local stamp_file="$target/.harmofl-$name-pins"
  if is_current "$stamp_file" "$(pins "$name")"; then
    step "$what: there"
    return
  fi
  if [[ -f "$stamp_file" ]]; then  # of other pins: none of their files may stay
    rm -rf "$target"
    install_libtorch
  fi
  step "$what: installing $(pins "$name")"
  rm -rf "$target-$name.part"
  pip_install venv "$name" --target "$target-$name.part"
  cp -a "$target-$name.part/." "$target/"
  rm -rf "$target-$name.part"
  pins "$name" >"$stamp_file"
}

# Into the environment of the tools, which reads run folders for it; gone with it when that is made anew.
install_mlflow() {
  local stamp_file="$HARMOFL_DEPS/venv/.harmofl-mlflow-pins"
  if is_current "$stamp_file" "$(pins mlflow)"; then
    step "MLflow's client: there"
    return
  fi
  step "MLflow's client: installing $(pins mlflow)"
  pip_install venv mlflow
  pins mlflow >"$stamp_file"
}

install_bench() {
  install_environment bench bench-venv "benchmarks' peers (0.2 GB to fetch, 0.7 GB on disk)"
  # torch is libtorch's wheel; what is here as well comes first.
  "$HARMOFL_DEPS/bench-venv/bin/python" - "$HARMOFL_DEPS/libtorch" <<'PYTHON'
import pathlib
import sys
import sysconfig

pathlib.Path(sysconfig.get_path("purelib"), "libtorch.pth").write_text(sys.argv[1] + "\n")
PYTHON
}

# --- All of it ------------------------------------------------------------------------------------

if [[ "$with_system" == yes ]]; then
  install_system_packages
fi
mkdir -p "$HARMOFL_DEPS"
HARMOFL_DEPS="$(cd "$HARMOFL_DEPS" && pwd)"

# One at a time: a second call waits, and then finds all there.
exec 9>"$HARMOFL_DEPS/.lock"
if command -v flock >/dev/null; then
  flock 9
fi
install_environment venv venv "python packages"
install_libtorch
if [[ "$with_cuda" == yes ]]; then
  install_beside cuda "NCCL and CUDA headers"
fi
if [[ "$with_pytorch" == yes ]]; then
  install_beside pytorch "PyTorch for Python"
  # A list of its own: a change of the other would make all of libtorch anew.
  install_beside compile "what torch.compile needs"
fi
if [[ "$with_bench" == yes ]]; then
  install_bench
fi
if [[ "$with_mlflow" == yes ]]; then
  install_mlflow
fi
if [[ "$with_lint" == yes ]]; then
  install_environment lint lint-venv "linters"
fi
if [[ "$with_trace" == yes ]]; then
  install_environment trace trace-venv "Perfetto's trace processor"
fi
step "dependencies are in $HARMOFL_DEPS"
if [[ "$HARMOFL_DEPS" != "$HARMOFL_ROOT/.deps" ]]; then
  note "CMake and the scripts find them there by: export HARMOFL_DEPS=$HARMOFL_DEPS"
fi
