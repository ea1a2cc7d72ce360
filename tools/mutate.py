#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Plants faults in the sources, one at a time, and sees which test notices each.

    git clone . ../faulty && cd ../faulty && ln -s ../harmofl/.deps .deps
    tools/mutate.py plant [--faults 200] [--seed 1] [--files 60]
    tools/mutate.py reach [--stages unit,mpi,golden]
    tools/mutate.py run [--stages unit,mpi,golden] [--files REGEX] [--minutes 60]
    tools/mutate.py report

By hand, in a clone of its own: `plant` changes the sources of src/fl, src/data, src/model, src/comm
and src/io, and builds them and the tests in build/release. A fault is another operator, another
constant, a condition turned round, or a statement left out. All are compiled together;
$HARMOFL_PLANTED switches one on. Those that do not compile so are left out and said. `reach` runs
every suite once without a fault and notes which faults it comes by. `run` switches each on, runs
the tests that come by it (unit tests of its layer, other unit tests, then under mpirun on 1 and 2
ranks, golden and end to end, the shortest first) and stops at the first that fails. A test that
takes far more processor time than without a fault has failed.

build/mutate/ledger.jsonl has a line a fault: file, line, before, after, verdict (killed-by: TEST,
survived, does not compile, equivalent), the tests that were run, seconds. `reach` and `run` go on
where they were ended; with more stages `run` runs what is new of what survived. A fault that
changes nothing that anyone can see is marked by hand: `tools/mutate.py equivalent FILE:LINE REASON`.
"""

import argparse
import json
import os
import pathlib
import re
import resource
import signal
import subprocess
import sys
import time

from mutate import faults, ledger, nearest, planting

ROOT = pathlib.Path.cwd()
WORK = ROOT / "build" / "mutate"
BUILD = ROOT / "build" / "release"
ROOMS = ("src/fl", "src/data", "src/model", "src/comm", "src/io")
MPI = {
    "OMPI_ALLOW_RUN_AS_ROOT": "1",
    "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    "OMPI_MCA_rmaps_base_oversubscribe": "1",
    "OMPI_MCA_hwloc_base_binding_policy": "none",
    "OMPI_MCA_mpi_yield_when_idle": "1",
    "OMP_NUM_THREADS": "1",
    "OMPI_MCA_btl_vader_single_copy_mechanism": "none",
    "HARMOFL": str(BUILD / "harmofl"),
    "HARMOFL_PREPARE": str(BUILD / "harmofl-prepare"),
    "MPIEXEC": "mpirun",
    "PYTHONPATH": str(ROOT / ".deps" / "libtorch"),
    "PYTHONDONTWRITEBYTECODE": "1",
}
LEAST_CPU_S, CPU_FACTOR, MOST_WALL_S = 20, 4, 900


def read_plan():
    entries = json.loads((WORK / "plan.json").read_text())
    return [faults.Fault(**entry) for entry in entries]


def sources_of(files, seed):
    """Texts of the sources to plant in, by name: so many, drawn in proportion over the layers."""
    names = [
        str(path.relative_to(ROOT))
        for room in ROOMS
        for path in sorted((ROOT / room).rglob("*.cpp"))
        if "cuda" not in path.name and "nccl" not in path.name
    ]
    step = max(1.0, len(names) / files)
    chosen = {names[int(place * step + seed) % len(names)] for place in range(min(files, len(names)))}
    return {name: (ROOT / name).read_text() for name in sorted(chosen)}


def plant(arguments):
    """Chooses faults, writes sources that hold them, and builds; drops what does not compile."""
    changed = subprocess.run(("git", "status", "--porcelain", "src"), capture_output=True, text=True)
    if changed.returncode != 0 or changed.stdout:
        sys.exit("error: src/ is not as committed. Plant in a clone of its own.")
    WORK.mkdir(parents=True, exist_ok=True)
    (WORK / "planted.hpp").write_text(planting.HEADER)
    sources = sources_of(arguments.files, arguments.seed)
    most = -(-2 * arguments.faults // len(sources))
    drawn = faults.draw(sources, arguments.faults, arguments.seed, most)
    (WORK / "plan.json").write_text(json.dumps([vars(fault) for fault in drawn], indent=1))
    (WORK / "reach.jsonl").unlink(missing_ok=True)  # numbers of other faults
    book = ledger.Ledger(WORK / "ledger.jsonl")
    left = dict(enumerate(drawn, 1))
    while True:
        write_sources(sources, left)
        result = build(arguments.jobs)
        if result.returncode == 0:
            break
        bad = refused(result.stdout, left)
        if not bad:
            sys.exit(result.stdout[-3000:] + "\nerror: this does not build, and not for a fault")
        for number in bad:
            book.write(left.pop(number), "does not compile", reason="together with others")
        print(f"{len(bad)} faults do not compile", flush=True)
    print(f"{len(left)} faults in {len(sources)} files")


def write_sources(sources, numbered):
    for name, source in sources.items():
        own = [(number, fault) for number, fault in numbered.items() if fault.file == name]
        made = planting.with_faults(source, own, WORK / "planted.hpp") if own else source
        path = ROOT / name
        if path.read_text() != made:
            path.write_text(made)


def build(jobs):
    command = ("ninja", "-C", str(BUILD), "-k", "0", "-j", str(jobs), *nearest.TARGETS)
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def refused(output, numbered):
    """Numbers of the faults that the compiler's errors stand at: in a fault's lines, else all of a
    file."""
    bad = set()
    for file, line in re.findall(r"(src/\S+?\.cpp):(\d+):\d+: (?:fatal )?error", output):
        own = {number: fault for number, fault in numbered.items() if fault.file == file}
        at = {number for number, fault in own.items() if fault.line <= int(line) <= fault.last_line}
        bad |= at or set(own)
    return bad


def usual_limit(test):
    return LEAST_CPU_S + CPU_FACTOR * test.usual_s


def start(command, cpu_s, environment):
    """Whether a command succeeds, its processor seconds and its output."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)

    def limit():
        resource.setrlimit(resource.RLIMIT_CPU, (int(cpu_s), int(cpu_s) + 5))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, **MPI, **environment},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        errors="replace",
        start_new_session=True,
        preexec_fn=limit,
    )
    try:
        output, _ = process.communicate(timeout=MOST_WALL_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGTERM)
        time.sleep(2)
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        output, _ = process.communicate()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return process.returncode in (0, 77), seconds, output


def reach(arguments):
    """Runs every suite without a fault; it must pass."""
    stages, notes = arguments.stages.split(","), WORK / "reached"
    known = nearest.Reach(WORK / "reach.jsonl")
    for part in nearest.all_parts(ROOT, BUILD, stages):
        if part in known.parts:
            continue
        notes.write_bytes(bytes(planting.MOST_FAULTS + 1))
        command = nearest.command_of([part], ROOT, BUILD, arguments.python)
        good, seconds, output = start(command, 3600, {"HARMOFL_REACHED": str(notes)})
        if not good:
            sys.exit(f"{output[-3000:]}\nerror: {part.key} fails without a fault")
        reached = [number for number, byte in enumerate(notes.read_bytes()) if byte]
        known.write(part, seconds, reached)
        print(f"{part.key}: {len(reached)} faults, {seconds:.1f} s", flush=True)


def run(arguments):
    """Switches each fault on until a test notices it."""
    end = time.monotonic() + 60 * arguments.minutes
    stages = arguments.stages.split(",")
    book, known = ledger.Ledger(WORK / "ledger.jsonl"), nearest.Reach(WORK / "reach.jsonl")
    if not known.parts:
        sys.exit("error: which test comes by which fault is not known. Run tools/mutate.py reach first.")
    waiting = []
    for number, fault in enumerate(read_plan(), 1):
        layer = ledger.layer_of(vars(fault))
        tests = known.tests_for(number, layer, ROOT, BUILD, arguments.python)
        tests = book.open_tests(fault, [test for test in tests if test.stage in stages])
        if re.search(arguments.only, fault.file) and (tests or fault.key() not in book.entries):
            waiting.append((number, fault, tests))
    # The cheapest first, so that a run that is ended has seen many.
    for number, fault, tests in sorted(waiting, key=lambda one: sum(test.usual_s for test in one[2])):
        if time.monotonic() > end:
            break
        started, done = time.monotonic(), list(book.done_tests(fault))
        verdict = "survived"
        for test in tests:
            good, _, _ = start(test.command, usual_limit(test), {"HARMOFL_PLANTED": str(number)})
            done.append(test.name)
            if not good:
                verdict = f"killed-by: {test.name}"
                break
        entry = book.write(fault, verdict, done, time.monotonic() - started)
        print(f"{number} {entry['fault']}\n    {verdict}, {entry['seconds']} s", flush=True)
    print(ledger.report(book))


def mark_equivalent(arguments):
    book = ledger.Ledger(WORK / "ledger.jsonl")
    found = [
        fault
        for fault in read_plan()
        if f"{fault.file}:{fault.line}" == arguments.place
        and book.entries.get(fault.key(), {}).get("verdict") == "survived"
    ]
    if len(found) != 1:
        sys.exit(f"error: {len(found)} faults survived at {arguments.place}. Give one's FILE:LINE.")
    book.write(found[0], "equivalent", book.done_tests(found[0]), reason=arguments.reason)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    planted = commands.add_parser("plant", help="choose faults, change the sources, build")
    planted.add_argument("--faults", type=int, default=200)
    planted.add_argument("--files", type=int, default=60)
    planted.add_argument("--seed", type=int, default=1)
    planted.add_argument("--jobs", type=int, default=1)
    planted.set_defaults(run=plant)
    reaching = commands.add_parser("reach", help="see which test comes by which fault")
    reaching.add_argument("--stages", default="unit,mpi,golden", help=f"of {','.join(nearest.STAGES)}")
    reaching.add_argument("--python", default=sys.executable)
    reaching.set_defaults(run=reach)
    running = commands.add_parser("run", help="run the tests with each fault in turn")
    running.add_argument("--stages", default="unit,mpi,golden", help=f"of {','.join(nearest.STAGES)}")
    running.add_argument("--files", dest="only", default="", help="a regular expression; default: all")
    running.add_argument("--minutes", type=float, default=60.0)
    running.add_argument("--python", default=sys.executable)
    running.set_defaults(run=run)
    commands.add_parser("report", help="print the figures").set_defaults(
        run=lambda _: print(ledger.report(ledger.Ledger(WORK / "ledger.jsonl")))
    )
    equivalent = commands.add_parser("equivalent", help="mark a fault that changes nothing")
    equivalent.add_argument("place", metavar="FILE:LINE")
    equivalent.add_argument("reason")
    equivalent.set_defaults(run=mark_equivalent)
    arguments = parser.parse_args()
    arguments.run(arguments)


if __name__ == "__main__":
    main()
