#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs clang-tidy with the checks of .clang-tidy over sources of src/ and tools/prepare/.
#
#   tools/check-tidy.sh [BASE]     those that differ from the commit BASE (default: the parent of HEAD),
#                                  or whose headers beside them do
#   tools/check-tidy.sh --all      all
#
# Without a parent (a clone of one commit) all are checked. Needs tools/install-deps.sh --lint and a
# configured preset `dev`, whose compile commands are read. Exit status: 0 nothing was found; 1 something was.
set -euo pipefail

# shellcheck source=tools/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
if [[ "${1:-}" == -h || "${1:-}" == --help ]]; then
  print_help "$0"
  exit 0
fi
cd "$HARMOFL_ROOT"
tidy="$HARMOFL_DEPS/lint-venv/bin/clang-tidy"
[[ -x "$tidy" ]] || fail "there is no $tidy; run tools/install-deps.sh --lint first"
commands=build/dev/compile_commands.json
[[ -f "$commands" ]] || fail "there is no $commands; run cmake --preset dev first"

base="${1:-}"
if [[ -z "$base" ]]; then
  base="$(git rev-parse --verify --quiet 'HEAD^')" || base=--all
elif [[ "$base" != --all ]]; then
  git rev-parse --verify --quiet "$base^{commit}" >/dev/null || fail "git knows no commit '$base'"
fi
if [[ "$base" == --all ]]; then
  changed="$(git ls-files -- 'src/*.cpp' 'tools/prepare/*.cpp')"
else
  changed="$(git diff --name-only --diff-filter=d "$base" -- 'src/*.[ch]pp' 'tools/prepare/*.[ch]pp')"
fi
# A header is seen through the source of its name.
files=()
while IFS= read -r file; do
  [[ ! -f "${file%.?pp}.cpp" ]] || files+=("${file%.?pp}.cpp")
done <<<"$changed"
mapfile -t files < <(printf '%s\n' "${files[@]}" | sed '/^$/d' | sort -u)
if [[ ${#files[@]} -eq 0 ]]; then
  step "clang-tidy: no source has changed"
  exit 0
fi

# The compile commands without what only g++ knows: its precompiled headers and their options.
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
sed -E 's/ -fpch-preprocess//g; s/ -Winvalid-pch//g; s/ -include [^ ]*cmake_pch\.hxx//g' "$commands" \
  >"$folder/compile_commands.json"
step "clang-tidy: ${#files[@]} sources"
printf '%s\0' "${files[@]}" |
  xargs -0 -n 1 -P "$(cores)" "$tidy" -p "$folder" --quiet --extra-arg=-Wno-unknown-warning-option ||
  fail "clang-tidy found what is above"
step "clang-tidy: ${#files[@]} sources are in order"
