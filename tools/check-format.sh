#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Checks (or, with --fix, makes) the format of all C++ and CUDA sources by .clang-format.
#
#   tools/check-format.sh [--fix]
#
# The clang-format is the one that tools/install-deps.sh pins: other versions format differently.
# Exit status: 0 all is in order; 1 some files are not (they are listed).
set -euo pipefail

# shellcheck source=tools/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

fix=no
case "${1:-}" in
  '') ;;
  --fix) fix=yes ;;
  -h | --help)
    print_help "$0"
    exit 0
    ;;
  *) fail "unknown option '$1'; known: --fix --help" ;;
esac

clang_format="$HARMOFL_DEPS/venv/bin/clang-format"
[[ -x "$clang_format" ]] || fail "there is no $clang_format; run tools/install-deps.sh first"

# Tracked files and new ones that git does not ignore, as far as they still exist.
cd "$HARMOFL_ROOT"
files=()
while IFS= read -r -d '' file; do
  if [[ -f "$file" ]]; then
    files+=("$file")
  fi
done < <(git ls-files -z --cached --others --exclude-standard -- \
  ':(glob)include/**/*.hpp' ':(glob)include/**/*.cpp' ':(glob)include/**/*.cu' \
  ':(glob)src/**/*.hpp' ':(glob)src/**/*.cpp' ':(glob)src/**/*.cu' \
  ':(glob)tests/**/*.hpp' ':(glob)tests/**/*.cpp' ':(glob)tests/**/*.cu' \
  ':(glob)tools/**/*.hpp' ':(glob)tools/**/*.cpp' ':(glob)tools/**/*.cu' \
  ':(glob)bench/**/*.hpp' ':(glob)bench/**/*.cpp' ':(glob)bench/**/*.cu')
[[ ${#files[@]} -gt 0 ]] || fail "git lists no sources in $HARMOFL_ROOT"

if [[ "$fix" == yes ]]; then
  "$clang_format" -i "${files[@]}"
  step "format: ${#files[@]} files are in order now"
  exit 0
fi

# A file that is not in order gives lines FILE:LINE:COLUMN: error: ...
if report="$("$clang_format" --dry-run --Werror "${files[@]}" 2>&1)"; then
  step "format: ${#files[@]} files are in order"
  exit 0
fi
offending="$(sed -n 's/^\(.*\):[0-9][0-9]*:[0-9][0-9]*: error: .*/\1/p' <<<"$report" | sort -u)"
if [[ -z "$offending" ]]; then
  fail "clang-format failed: $report"
fi
printf '%s\n' "$offending"
fail "$(wc -l <<<"$offending") of ${#files[@]} files are not in order; tools/check-format.sh --fix formats them"
