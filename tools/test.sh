#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Builds the `release` preset and runs all tests, on this machine's cores.
#
#   tools/test.sh [CTEST_ARGUMENTS...]     for instance: tools/test.sh -L unit
#                                                        tools/test.sh -R Checkpoint
#
# The last line of the output reads `N passed, N failed, N skipped`; the exit status is ctest's.
# HARMOFL_TEST_JOBS: how many tests may run at once (default: one per core; a test that runs under
# mpirun counts as many as it has ranks).
set -euo pipefail

# shellcheck source=tools/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

if [[ "${1:-}" == -h || "${1:-}" == --help ]]; then
  print_help "$0"
  exit 0
fi

"$HARMOFL_ROOT/tools/install-deps.sh" --pytorch --cluster
build_preset release

build_dir="$HARMOFL_ROOT/build/release"
report="$build_dir/tests.xml"
cases="$build_dir/test-cases"  # a report of GoogleTest's for each of its suites
rm -rf "$report" "$cases"

step "tests"
mpi_env "$(($(cores) + 1))"  # some tests have more ranks than any small machine has cores
export OMP_NUM_THREADS=1
status=0
ctest --test-dir "$build_dir" --output-on-failure --no-tests=error \
  --parallel "${HARMOFL_TEST_JOBS:-$(cores)}" --output-junit "$report" "$@" || status=$?

# Count what ctest wrote down, of a suite of unit tests its cases. A test that could not be started
# ("notrun" for another reason than a skip) has failed, as ctest's own exit status says.
"$HARMOFL_DEPS/venv/bin/python" - "$report" "$cases" <<'PYTHON'
import os
import sys
import xml.etree.ElementTree

passed = failed = skipped = 0


def cases_of(name):
    """Cases, failed and skipped ones of a suite of GoogleTest; None for other tests."""
    path = os.path.join(sys.argv[2], f"{name}.xml")
    if not os.path.exists(path):
        return None
    root = xml.etree.ElementTree.parse(path).getroot()
    found = root.findall("testsuite/testcase")
    return len(found), len(root.findall(".//testcase[failure]")), len(root.findall(".//testcase[skipped]"))


if os.path.exists(sys.argv[1]):
    for case in xml.etree.ElementTree.parse(sys.argv[1]).getroot().iter("testcase"):
        status = case.get("status")
        reason = case.find("skipped")
        message = "" if reason is None else reason.get("message", "")
        counts = cases_of(case.get("name"))
        if counts and (counts[1] > 0 or status == "run"):
            passed += counts[0] - counts[1] - counts[2]
            failed += counts[1]
            skipped += counts[2]
        elif status == "run":
            passed += 1
        elif status == "disabled" or message.startswith("SKIP_"):
            skipped += 1
        else:
            failed += 1
print(f"{passed} passed, {failed} failed, {skipped} skipped")
PYTHON
exit "$status"
