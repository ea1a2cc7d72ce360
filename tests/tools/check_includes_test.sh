#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
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

# The installed header and the private one of a layer, as includes.
both() {
  printf '#include "harmofl/%s/%s.hpp"\n#include "%s/private.hpp"' "$1" "$1" "$1"
}

# A tree in which every layer and every room includes all that it may, and which holds what must not be
# refused.
make_clean_tree() {
  local layer room
  for layer in base comm io kernels data model fl app; do
    write "include/harmofl/$layer/$layer.hpp" '#pragma once'
    write "src/$layer/private.hpp" '#pragma once'
  done
  for room in aggregate analysis clients fleet local methods record run; do
    write "src/fl/$room/$room.hpp" '#pragma once' "#include \"fl/$room/own.hpp\"" \
      '#include "harmofl/fl/fl.hpp"' '#include "harmofl/base/base.hpp"' '#include "base/private.hpp"'
  done
  write include/harmofl/fl/installed.hpp '#pragma once' '#include <string>' '#include <torch/types.h>' \
    '#include "harmofl/fl/fl.hpp"' '#include "harmofl/model/model.hpp"' '#include <harmofl/base/base.hpp>'
  write src/base/log.cpp '#include <cstdio>' 'void log() { std::printf("to standard output\n"); }'
  write src/base/version.cpp '#include "harmofl_build_info.hpp"'
  write src/comm/comm.cpp '#include <mpi.h>' '#include <nccl.h>' "$(both base)"
  write src/io/io.cpp '#include <hdf5.h>' "$(both base)"
  write src/kernels/conv/conv.cpp '#include "kernels/conv/conv.hpp"' '#include "kernels/norm/norm.hpp"' \
    "$(both kernels)" "$(both base)"
  write src/data/data.cpp "$(both base)" "$(both io)"
  write src/model/model.cpp "$(both base)" "$(both io)" "$(both kernels)" \
    '#include "model/networks/cnn.hpp"' \
    '// #include "harmofl/fl/fl.hpp" and std::cout in a comment' \
    '/* #include "harmofl/fl/fl.hpp"' '   std::cout << 1; */' \
    'void f(char* s) { std::snprintf(s, 4, "printf(std::cout) // %d", 1); }'
  write src/fl/fl.cpp "$(both base)" "$(both comm)" "$(both io)" "$(both kernels)" "$(both data)" \
    "$(both model)" "$(both fl)" '#include "fl/aggregate/aggregate.hpp"' '#include "fl/record/record.hpp"'
  write src/fl/analysis/analysis.cpp '#include "fl/local/local.hpp"'
  write src/fl/record/record.cpp '#include "fl/clients/clients.hpp"' '#include "fl/local/local.hpp"'
  write src/app/app.cpp "$(both fl)" "$(both kernels)" '#include "fl/fleet/fleet.hpp"' 'void f() { std::cout << 1; }'
  write src/app/commands/predict/images.cpp '#include "prepare/pixels/image.hpp"'
  write src/program.cpp "$(both app)" 'int main() { std::cout << 1; }'
  write bench/comm/sums.cpp '#include <mpi.h>' "$(both comm)" '#include "timings.hpp"' \
    'int main() { std::printf("1"); }'
  write bench/kernels/step.cpp "$(both fl)" "$(both kernels)"
  write tools/prepare/main.cpp '#include "prepare/options.hpp"' "$(both io)" 'int main() { std::cout << 1; }'
  write tests/fl/fl_test.cpp '#include <mpi.h>' '#include "support/world.hpp"' 'void f() { std::cout << 1; }'
}

# write FILE LINES...
write() {
  local file="$root/$1"
  shift
  mkdir -p "${file%/*}"
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

# refuses FILE REASON LINES...: a new FILE with these LINES is refused, at its last line, with a text that
# holds REASON; and it is the only thing refused.
refuses() {
  local file="$1" reason="$2" output
  shift 2
  cases=$((cases + 1))
  write "$file" "$@"
  if output="$(bash "$script" "$root" 2>&1)"; then
    report_failure "$file with '${*: -1}' was accepted" "$output"
  elif ! grep -qF "$file:$#: " <<<"$output" || ! grep -qF "$reason" <<<"$output"; then
    report_failure "$file with '${*: -1}': another reason than '$reason'" "$output"
  elif [[ "$(grep -c '^[a-z].*:[0-9]*: ' <<<"$output")" -ne 1 ]]; then
    report_failure "$file with '${*: -1}': more than one refusal" "$output"
  fi
  rm "$root/$file"
}

make_clean_tree
accepts "the clean tree"

# Every step up the layers, in headers and in sources: LAYER TARGETS-IT-MUST-NOT-INCLUDE...
while read -r layer targets; do
  for target in $targets; do
    reason="layer $layer must not include"
    refuses "include/harmofl/$layer/new.hpp" "$reason" "#include \"harmofl/$target/$target.hpp\""
    refuses "src/$layer/new.hpp" "$reason" "// a comment" "#include \"harmofl/$target/$target.hpp\""
    refuses "src/$layer/new.cpp" "$reason" "#include \"$target/private.hpp\""
  done
done <<'TABLE'
base    comm io kernels data model fl app
comm    io kernels data model fl app
io      comm kernels data model fl app
kernels comm io data model fl app
data    comm kernels model fl app
model   comm data fl app
fl      app
TABLE

# Every room of fl that another must not include: ROOM ROOMS-IT-MUST-NOT-INCLUDE...
while read -r room targets; do
  for target in $targets; do
    refuses "src/fl/$room/new.cpp" "room fl/$room must not include" "#include \"fl/$target/$target.hpp\""
  done
done <<'TABLE'
aggregate analysis clients fleet local methods record run
analysis  aggregate clients fleet methods record run
clients   aggregate analysis fleet local methods record run
fleet     aggregate analysis clients local methods record run
local     aggregate analysis clients fleet methods record run
methods   aggregate analysis clients fleet local record run
record    aggregate analysis fleet methods run
run       analysis fleet methods
TABLE
refuses src/fl/local/new.hpp "room fl/local must not include" '#include "fl/simulation.hpp"'
refuses src/fl/new.cpp "lies in no layer" '#include "prepare/pixels/image.hpp"'
refuses src/app/new.cpp "lies in no layer" '#include "prepare/images/options.hpp"'
refuses src/fl/fleet/new.cpp "layer fl must not include" '#include "app/commands/analyse/private.hpp"'
refuses src/fl/other/new.cpp "is not in the table of rooms" 'int x;'

# What is installed includes only what is installed.
for name in fl/private.hpp base/private.hpp fl/local/local.hpp private.hpp bench/fl/program.hpp program.hpp \
  tests/support/world.hpp support/world.hpp tools/prepare/options.hpp prepare/options.hpp \
  harmofl_build_info.hpp; do
  refuses include/harmofl/fl/new.hpp "is not installed" "#include \"$name\""
done
refuses include/harmofl/fl/new.hpp "is not installed" '#include <fl/private.hpp>'
# Nor do the sources include what lies in tests, in bench, in tools or beside them.
for name in tests/support/world.hpp support/world.hpp bench/fl/program.hpp prepare/options.hpp private.hpp; do
  refuses src/fl/new.cpp "lies in no layer" "#include \"$name\""
done

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
