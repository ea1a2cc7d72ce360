# SPDX-License-Identifier: Apache-2.0
"""The tests, those that are nearest to a file first."""

import dataclasses
import pathlib
import re

# Programs of unit tests by layer; the others by name, with the numbers of ranks.
UNIT = {
    "fl": "fl/fl_unit_test",
    "data": "data/data_test",
    "model": "model/model_test",
    "io": "io/io_test",
    "comm": "comm/comm_unit_test",
}
MPI = {
    "fl": ("fl/fl_mpi_test", "fl/rank_invariance_test"),
    "data": ("fl/rank_invariance_test",),
    "model": ("fl/fl_mpi_test",),
    "io": ("fl/fl_mpi_test",),
    "comm": ("comm/communicator_test", "fl/fl_mpi_test"),
}
END_TO_END = {
    "fl": ("recompute_federations", "resume", "commands", "training", "analyse"),
    "data": ("recompute_federations", "scale", "commands"),
    "model": ("recompute", "weights", "evaluate"),
    "io": ("damage", "resume", "weights", "kill"),
    "comm": ("faults", "training"),
}
TARGETS = (
    "fl_unit_test",
    "fl_mpi_test",
    "rank_invariance_test",
    "data_test",
    "model_test",
    "io_test",
    "comm_unit_test",
    "communicator_test",
    "golden_test",
    "harmofl",
    "harmofl-prepare",
)
STAGES = ("unit", "mpi", "golden", "end_to_end")


@dataclasses.dataclass(frozen=True)
class Test:
    """A command and its name in the ledger."""

    name: str
    stage: str
    command: tuple


def suites_of(folder):
    """GoogleTest suites of the tests that lie in a folder itself."""
    found = set()
    for path in sorted(folder.glob("*_test.cpp")):
        found |= set(re.findall(r"^TEST(?:_[FP])?\((\w+),", path.read_text(), re.MULTILINE))
    return sorted(found)


def under(ranks, program):
    return (program,) if ranks == 1 else ("mpirun", "-n", str(ranks), program)


def tests_for(file, root, build, python):
    """The tests of a source, in order."""
    _, layer, *rooms = pathlib.PurePath(file).parts
    fast = "--gtest_fail_fast"
    tests = []
    if layer in UNIT:
        program = str(build / "tests" / UNIT[layer])
        room = root / "tests" / layer / (rooms[0] if len(rooms) > 1 else "")
        suites = suites_of(room) if room.is_dir() else []
        if suites and layer == "fl":
            chosen = ":".join(f"{suite}.*:*/{suite}.*" for suite in suites)
            tests.append(Test(f"unit of {room.name}", "unit", (program, fast, f"--gtest_filter={chosen}")))
        tests.append(Test(f"{pathlib.Path(program).name}", "unit", (program, fast)))
    for ranks in (1, 2):
        for name in MPI.get(layer, ()):
            program = str(build / "tests" / name)
            tests.append(Test(f"{pathlib.Path(name).name} on {ranks}", "mpi", (*under(ranks, program), fast)))
    if layer in ("fl", "data", "model"):
        tests.append(Test("golden_test", "golden", (str(build / "tests/golden/golden_test"), fast)))
    for name in END_TO_END.get(layer, ()):
        file = root / "tests" / "end_to_end" / f"{name}_test.py"
        tests.append(Test(f"end_to_end.{name}", "end_to_end", (python, str(file), "--failfast")))
    return tests
