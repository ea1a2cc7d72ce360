#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs the cheap checks, which build nothing; all of them, even when one fails.
#
#   tools/check.sh [CHECK...]
#   tools/check.sh --fix       mends what can be mended without thought (marked *)
#
#   format *  C++ is formatted by .clang-format (tools/check-format.sh)
#   layers    includes keep to the layers (tools/check-includes.sh)
#   licence * every source names its licence on top (tools/add-licence.sh)
#   shell     shellcheck finds nothing in scripts
#   python *  ruff finds nothing, and Python is formatted
#   spelling  codespell finds nothing; docs are in British spelling (tools/lint/british.txt)
#
# The linters are those of tools/install-deps.sh --lint. tools/check-tidy.sh, which needs a configured
# build, is apart. Exit status: 0 all is in order; 1 a check failed.
set -euo pipefail

# shellcheck source=tools/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
cd "$HARMOFL_ROOT"
lint="$HARMOFL_DEPS/lint-venv/bin"

# tracked PATHSPEC...: sets `files` to those that git tracks or does not ignore and that exist.
tracked() {
  files=()
  local file
  while IFS= read -r -d '' file; do
    [[ ! -f "$file" ]] || files+=("$file")
  done < <(git ls-files -z --cached --others --exclude-standard -- "$@")
  [[ ${#files[@]} -gt 0 ]] || fail "git lists no files of the kinds $*"
}

needs() { [[ -x "$1" || -n "$(command -v "$1")" ]] || fail "there is no $1; run tools/install-deps.sh --lint first"; }

check_format() { tools/check-format.sh; }
check_layers() { tools/check-includes.sh; }
check_licence() { tools/add-licence.sh --check; }

check_shell() {
  needs shellcheck
  tracked '*.sh' '*.sbatch' .ci/run
  shellcheck --external-sources --source-path=SCRIPTDIR "${files[@]}" && step "shell: ${#files[@]} files are in order"
}

check_python() {
  needs "$lint/ruff"
  "$lint/ruff" check --no-cache --quiet . && "$lint/ruff" format --no-cache --check --quiet . && step "python: in order"
}

check_spelling() {
  needs "$lint/codespell"
  tracked ':!LICENSE' ':!*.csv' ':!*.json' ':!*.png' ':!*.svg' ':!tests/fixtures' ':!tools/lint' ':!tools/requirements'
  "$lint/codespell" --builtin clear,rare --ignore-words tools/lint/words.txt "${files[@]}" || return 1
  tracked '*.md'
  # What stands between backticks, is indented or names a file is code, which may be spelled otherwise.
  # shellcheck disable=SC2016  # no expressions of the shell
  "$lint/codespell" --dictionary tools/lint/british.txt --ignore-regex '`[^`]*`|\[[^]]*\]\([^)]*\)|^    .*' "${files[@]}" &&
    step "spelling: in order"
}

all=(format layers licence shell python spelling)
case "${1:-}" in
  -h | --help)
    print_help "$0"
    exit 0
    ;;
esac
if [[ "${1:-}" == --fix ]]; then
  [[ $# -eq 1 ]] || fail "--fix takes no checks"
  needs "$lint/ruff"
  tools/add-licence.sh
  tools/check-format.sh --fix
  "$lint/ruff" check --no-cache --fix --quiet . || true  # what is left is listed by the check
  "$lint/ruff" format --no-cache --quiet .
  exit 0
fi
checks=("$@")
[[ $# -gt 0 ]] || checks=("${all[@]}")

failed=()
for check in "${checks[@]}"; do
  [[ " ${all[*]} " == *" $check "* ]] || fail "there is no check '$check'; known: ${all[*]}"
  # In a shell of its own: what ends one check leaves the others.
  ("check_$check") || failed+=("$check")
done
[[ ${#failed[@]} -eq 0 ]] || fail "failed: ${failed[*]}"
