#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Puts the line that names the licence on top of every source (below the first line of a script).
#
#   tools/add-licence.sh [--check]
#
#   --check   changes nothing: lists the sources without it and exits with 1 if there are any
set -euo pipefail

# shellcheck source=tools/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
check=no
case "${1:-}" in
  '') ;;
  --check) check=yes ;;
  -h | --help)
    print_help "$0"
    exit 0
    ;;
  *) fail "unknown option '$1'; known: --check --help" ;;
esac
cd "$HARMOFL_ROOT"
licence='SPDX-License-Identifier: Apache-2.0'

missing=()
count=0
while IFS= read -r -d '' file; do
  [[ -f "$file" ]] || continue
  count=$((count + 1))
  if [[ "$(head -n 2 "$file")" != *"$licence"* ]]; then
    missing+=("$file")
  fi
done < <(git ls-files -z --cached --others --exclude-standard -- '*.hpp' '*.cpp' '*.cu' '*.py' '*.sh' '*.sbatch' \
  '*.cmake' '*CMakeLists.txt' .ci/run)

if [[ "$check" == no ]]; then
  for file in "${missing[@]}"; do
    mark='#'
    [[ "$file" != *.[hc]pp && "$file" != *.cu ]] || mark='//'
    at=1
    [[ "$(head -c 2 "$file")" != '#!' ]] || at=2
    if [[ -s "$file" ]]; then
      sed -i "${at}i $mark $licence" "$file"
    else
      printf '%s %s\n' "$mark" "$licence" >"$file"
    fi
  done
  missing=()
fi
if [[ ${#missing[@]} -gt 0 ]]; then
  printf '%s\n' "${missing[@]}"
  fail "${#missing[@]} of $count sources do not name their licence; tools/add-licence.sh adds the line"
fi
step "licence: $count sources name it"
