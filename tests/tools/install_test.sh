#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What `cmake --install` puts somewhere runs from there.
#
#   install_test.sh CMAKE BUILD_FOLDER
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"$1" --install "$2" --prefix "$folder" >"$folder/log"
for program in harmofl harmofl-prepare; do
  (cd / && env -u LD_LIBRARY_PATH "$folder/bin/$program" --help >"$folder/log") ||
    { echo "$program does not start where it is installed" >&2; exit 1; }
done
for file in share/harmofl/jobs/bbbc038.ini share/doc/harmofl/LICENSE include/harmofl/fl/algorithm.hpp; do
  [[ -s "$folder/$file" ]] || { echo "$file was not installed" >&2; exit 1; }
done
