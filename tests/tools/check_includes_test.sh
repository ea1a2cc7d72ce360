#!/usr/bin/env bash
# tools/check-includes.sh must be able to fail: builds a small tree with one violation at a time and
# sees the script refuse it, for the reason expected; and accept the tree without one.
#
#   tests/tools/check_includes_test.sh        exit status 0: all cases as expected
set -euo pipefail

script="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)/tools/check-includes.sh"
root="$(mktemp -d)"
trap 'rm -rf "$root"' EXIT
cases=0
failures=0

# A tree in which every layer includes all that it may, and which holds what must not be refused.
make_clean_tree() {
  rm -rf "${root:?}"/*
  local layer
  for layer in base comm io data model fl app; do
    mkdir -p "$root/include/harmofl/$layer" "$root/src/$layer"
    printf '#pragma once\n' >"$root/include/harmofl/$layer/$layer.hpp"
  done
  mkdir -p "$root/tools/prepare"
  write src/base/log.cpp '#include <cstdio>' 'void log() { std::printf("to standard output\n"); }'
  write src/comm/comm.cpp '#include <mpi.h>' '#include <nccl.h>' '#include "harmofl/base/base.hpp"'
  write src/io/io.cpp '#include <hdf5.h>' '#include "harmofl/base/base.hpp"'
  write src/data/data.cpp '#include "harmofl/base/base.hpp"' '#include "harmofl/io/io.hpp"'
  write src/model/model.cpp '#include "harmofl/base/base.hpp"' '#include "harmofl/io/io.hpp"' \
    '// #include "harmofl/fl/fl.hpp" and std::cout in a comment' \
    '/* #include "harmofl/fl/fl.hpp"' '   std::cout << 1; */' \
    'void f(char* s) { std::snprintf(s, 4, "printf(std::cout) // %d", 1); }'
  write src/fl/fl.cpp '#include "harmofl/base/base.hpp"' '#include "harmofl/comm/comm.hpp"' \
    '#include "harmofl/io/io.hpp"' '#include "harmofl/data/data.hpp"' \
    '#include "harmofl/model/model.hpp"' '#include "harmofl/fl/fl.hpp"' '#include "private.hpp"'
  write src/app/app.cpp '#include "harmofl/fl/fl.hpp"' 'void f() { std::cout << 1; }'
  write src/main.cpp '#include "harmofl/app/app.hpp"' 'int main() { std::cout << 1; }'
  write bench/comm/sums.cpp '#include <mpi.h>' '#include "harmofl/comm/comm.hpp"' \
    'int main() { std::printf("1"); }'
  write tools/prepare/main.cpp '#include "harmofl/io/io.hpp"' 'int main() { std::cout << 1; }'
}

# write FILE LINES...
write() {
  local file="$root/$1"
  shift
  mkdir -p "$(dirname "$file")"
  printf '%s\n' "$@" >"$file"
}

report_failure() {
  printf 'FAILED: %s\n%s\n' "$1" "$2" >&2
  failures=$((failures + 1))
}

# accepts NAME: the tree as it is passes.
accepts() {
  local output
  cases=$((cases + 1))
  if ! output="$(bash "$script" "$root" 2>&1)"; then
    report_failure "$1: refused a tree that is in order" "$output"
  fi
}

# refuses FILE REASON LINES...: FILE with these LINES is refused, at its last line, with a text that
# holds REASON; and it is the only thing refused.
refuses() {
  local file="$1" reason="$2" output
  shift 2
  cases=$((cases + 1))
  make_clean_tree
  write "$file" "$@"
  if output="$(bash "$script" "$root" 2>&1)"; then
    report_failure "$file with '${*: -1}' was accepted" "$output"
  elif ! grep -qF "$file:$#: " <<<"$output" || ! grep -qF "$reason" <<<"$output"; then
    report_failure "$file with '${*: -1}': another reason than '$reason'" "$output"
  elif [[ "$(grep -c '^[a-z].*:[0-9]*: ' <<<"$output")" -ne 1 ]]; then
    report_failure "$file with '${*: -1}': more than one refusal" "$output"
  fi
}

make_clean_tree
accepts "the clean tree"

# Every step up the layers, in headers and in sources: LAYER TARGETS-IT-MUST-NOT-INCLUDE...
while read -r layer targets; do
  for target in $targets; do
    for file in "include/harmofl/$layer/new.hpp" "src/$layer/new.cpp"; do
      refuses "$file" "layer $layer must not include" "// a comment" "#include \"harmofl/$target/$target.hpp\""
    done
  done
done <<'TABLE'
base  comm io data model fl app
comm  io data model fl app
io    comm data model fl app
data  comm model fl app
model comm data fl app
fl    app
TABLE

# Other spellings of the same.
refuses src/base/new.cpp "layer base must not include" '#include <harmofl/fl/fl.hpp>'
refuses src/base/new.cpp "layer base must not include" '  #  include "harmofl/fl/fl.hpp"  // why'
refuses src/base/new.cpp "layer base must not include" '#include "fl/private.hpp"'
refuses src/base/new.cpp "climbs folders" '#include "../fl/private.hpp"'
refuses src/base/new.cpp "layer base must not include" '/* open' '*/ #include "harmofl/fl/fl.hpp"'
refuses src/app/new.cpp "has not the form" '#include "harmofl/app.hpp"'
refuses src/app/new.cpp "has not the form" '#include "harmofl/other/other.hpp"'
refuses src/other/new.cpp "no known layer" 'int x;'
refuses include/harmofl/new.hpp "no known layer" 'int x;'

refuses bench/other/new.cpp "no known layer" 'int x;'
refuses bench/comm/new.cpp "layer comm must not include" '#include "harmofl/fl/fl.hpp"'

# Headers that belong to one layer.
for header in mpi.h nccl.h; do
  for file in src/base/new.cpp src/io/new.cpp src/fl/new.cpp src/app/new.cpp src/main.cpp tools/new.cpp bench/new.cpp bench/fl/new.cpp; do
    refuses "$file" "in comm only" "#include <$header>"
  done
done
for header in hdf5.h H5Cpp.h; do
  for file in src/base/new.cpp src/comm/new.cpp src/data/new.cpp src/app/new.cpp tools/new.cpp; do
    refuses "$file" "in io only" "#include <$header>"
  done
done

# Standard output.
for file in include/harmofl/fl/new.hpp src/base/new.cpp src/comm/new.cpp src/model/new.cpp; do
  refuses "$file" "standard output" 'void f() { std::cout << 1; }'
  refuses "$file" "standard output" 'void f() { printf("%d", 1); }'
  refuses "$file" "standard output" 'void f() { std::puts("// a"); }'
  refuses "$file" "standard output" 'void f() { g("// a"); std::printf("1"); }'
done

if [[ $failures -ne 0 ]]; then
  printf '%d of %d cases failed\n' "$failures" "$cases" >&2
  exit 1
fi
printf 'all %d cases as expected\n' "$cases"
