#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# tools/check.sh refuses what each of its checks is there for, and passes what is in order.
#
#   check_test.sh        exit status 77: the linters are not installed
# shellcheck disable=SC2016  # what is written is not for this shell
set -euo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)"
export HARMOFL_DEPS="${HARMOFL_DEPS:-$root/.deps}"
if [[ ! -x "$HARMOFL_DEPS/lint-venv/bin/ruff" ]] || ! command -v shellcheck >/dev/null; then
  echo "skipped: tools/install-deps.sh --lint installs the linters"
  exit 77
fi
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
cp -r "$root/tools" "$root/ruff.toml" "$root/.clang-format" "$folder/"
rm -rf "$folder"/tools/{prepare,recompute,scaling} "$folder"/tools/*.py "$folder"/tools/mutate*
cd "$folder"
git init -q

# write FILE: the text on standard input as a file of the small checkout.
write() { mkdir -p "$(dirname "$1")" && cat >"$1"; }

# status CHECK: the exit status of one check.
status() { tools/check.sh "$1" >log 2>&1 && echo 0 || echo $?; }

# expect STATUS CHECK WHY
expect() {
  local got
  got="$(status "$2")"
  [[ "$got" == "$1" ]] || { cat log >&2; echo "check $2 ended with $got, not $1: $3" >&2; exit 1; }
}

licence='SPDX-License-Identifier: Apache-2.0'
write src/base/a.hpp <<<"// $licence
#pragma once"
write a.py <<<"# $licence
print(1)"
write a.md <<<'The colour of `normalize`.'
tools/add-licence.sh >log
for check in format layers licence shell python spelling; do
  expect 0 "$check" "all is in order"
done

write src/base/b.hpp <<<'#pragma once'
expect 1 licence "a source without its line"
tools/add-licence.sh >log
expect 0 licence "the line was added"
[[ "$(head -n 1 src/base/b.hpp)" == "// $licence" ]] || { echo "the line is not on top" >&2; exit 1; }
write run.sh <<<'#!/usr/bin/env bash
echo a'
tools/add-licence.sh >log
[[ "$(sed -n 2p run.sh)" == "# $licence" ]] || { echo "the line is not below a script's first" >&2; exit 1; }

write src/base/b.hpp <<<'int  a;'
expect 1 format "two spaces"
write src/base/b.hpp <<<'#include "fl/local/optimizer.hpp"'
expect 1 layers "an include that goes up"
write bad.sh <<<'#!/usr/bin/env bash
cd $1'
expect 1 shell "a word that is split"
write b.py <<<'import os'
expect 1 python "an import that is not used"
write b.py <<<'a = [1,2]'
expect 1 python "a format that is not ruff's"
rm b.py
write b.md <<<"It rec""ieves a file."  # in two parts: this file is checked as well
expect 1 spelling "a misspelt word"
write b.md <<<'The color of it.'
expect 1 spelling "American spelling"
rm b.md
expect 0 spelling "the last file is gone"
expect 1 nonsense "a check that is not there"
