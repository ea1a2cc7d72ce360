# SPDX-License-Identifier: Apache-2.0
"""The tests that come by a fault, those that are nearest to it first."""

import dataclasses
import json
import pathlib
import re
import subprocess

LEAST_SLOW_S = 5.0
STAGES = ("unit", "mpi", "golden", "end_to_end")
# Programs of GoogleTest: stage, layer, program, numbers of ranks.
PROGRAMS = (
    ("unit", "fl", "fl/fl_unit_test", (1,)),
    ("unit", "data", "data/data_test", (1,)),
    ("unit", "model", "model/model_test", (1,)),
    ("unit", "kernels", "kernels/kernels_test", (1,)),
    ("unit", "io", "io/io_test", (1,)),
    ("unit", "comm", "comm/comm_unit_test", (1,)),
    ("unit", "app", "app/app_test", (1,)),
    ("unit", "prepare", "prepare/prepare_test", (1,)),
    ("mpi", "comm", "comm/communicator_test", (1, 2)),
    ("mpi", "fl", "fl/fl_mpi_test", (1, 2)),
    ("mpi", "fl", "fl/rank_invariance_test", (1, 2)),
    ("golden", "fl", "golden/golden_test", (1,)),
)
# Files of end-to-end tests that compare with numbers from outside, or look at files and messages.
END_TO_END = (
    "commands",
    "training",
    "analyse",
    "resume",
    "evaluate",
    "weights",
    "recompute",
    "recompute_federations",
    "damage",
    "faults",
)
TARGETS = (*(path.split("/")[1] for _, _, path, _ in PROGRAMS), "harmofl", "harmofl-prepare")


@dataclasses.dataclass(frozen=True)
class Part:
    """A suite of a program under so many ranks, or a class of a file of end-to-end tests."""

    stage: str
    layer: str
    program: str
    ranks: int
    name: str

    @property
    def key(self):
        return f"{self.program} {self.name} on {self.ranks}"


@dataclasses.dataclass(frozen=True)
class Test:
    """A command, its name in the ledger, and the processor seconds that it takes without a fault."""

    name: str
    stage: str
    command: tuple
    usual_s: float = 0.0


def suites_of(program):
    """GoogleTest suites of a program."""
    listed = subprocess.run((program, "--gtest_list_tests"), capture_output=True, text=True, check=True)
    return re.findall(r"^([\w/]+)\.", listed.stdout, re.MULTILINE)


def classes_of(file):
    return re.findall(r"^class (\w+)\([^)]*support\.ProgramTest\)", file.read_text(), re.MULTILINE)


def all_parts(root, build, stages):
    """Every part of every test of these stages."""
    parts = []
    for stage, layer, program, numbers in PROGRAMS:
        if stage in stages:
            suites = suites_of(build / "tests" / program)
            parts += [Part(stage, layer, program, ranks, suite) for ranks in numbers for suite in suites]
    if "end_to_end" in stages:
        for name in END_TO_END:
            file = root / "tests" / "end_to_end" / f"{name}_test.py"
            parts += [Part("end_to_end", "", f"end_to_end.{name}", 1, one) for one in classes_of(file)]
    return parts


def command_of(parts, root, build, python):
    """Runs parts of one program, and stops at the first test that fails."""
    first, names = parts[0], [part.name for part in parts]
    if first.stage == "end_to_end":
        name = first.program.split(".")[1]
        return (python, str(root / "tests" / "end_to_end" / f"{name}_test.py"), *names, "--failfast")
    program = str(build / "tests" / first.program)
    chosen = ":".join(f"{name}.*" for name in names)
    started = () if first.ranks == 1 else ("mpirun", "-n", str(first.ranks))
    return (*started, program, "--gtest_fail_fast", f"--gtest_filter={chosen}")


class Reach:
    """Which faults each part comes by, and how long it takes: a line of JSON a part, only added to."""

    def __init__(self, path):
        self.path = pathlib.Path(path)
        self.parts = {}
        if self.path.is_file():
            for line in self.path.read_text(encoding="utf-8").splitlines():
                entry = json.loads(line)
                self._keep(Part(**entry["part"]), entry["seconds"], entry["reached"])

    def _keep(self, part, seconds, reached):
        self.parts[part] = (seconds, frozenset(reached))

    def write(self, part, seconds, reached):
        self._keep(part, seconds, reached)
        entry = {"part": dataclasses.asdict(part), "seconds": round(seconds, 2), "reached": sorted(reached)}
        with open(self.path, "a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")

    def tests_for(self, number, layer, root, build, python):
        """The tests that come by a fault: unit tests of its layer, other unit tests, then the shortest
        first. Suites that take long are a test of their own."""
        by_program = {}
        for part, (seconds, reached) in self.parts.items():
            if number in reached:
                slow = seconds > LEAST_SLOW_S
                kind = (part.stage, part.program, part.ranks, slow)
                by_program.setdefault(kind, []).append((seconds, part))
        tests = []
        for (stage, program, ranks, slow), found in by_program.items():
            parts = [part for _, part in sorted(found, key=lambda one: (one[0], one[1].name))]
            usual_s = sum(seconds for seconds, _ in found)
            name = f"{program.split('/')[-1]} on {ranks}" + (", slow suites" if slow else "")
            unit = stage == "unit"
            order = (not unit, unit and parts[0].layer != layer, usual_s)
            tests.append((order, Test(name, stage, command_of(parts, root, build, python), usual_s)))
        return [test for _, test in sorted(tests, key=lambda one: (one[0], one[1].name))]
