# SPDX-License-Identifier: Apache-2.0
"""The command line of the benchmarks; see bench/run.sh."""

import argparse
import json
import pathlib
import sys
import tempfile
import traceback

from .cluster import aggregate, allreduce, weak
from .figures import missing, table
from .gpu import gpu
from .growth import growth
from .kernels import kernels
from .lanes import lanes
from .memory import memory
from .overhead import overhead
from .programs import Refused, end_leftovers
from .rounds import round_
from .startup import startup
from .step import step
from .trace import trace

# Families of figures, in the order in which they run: (quick, folder) -> rows.
FAMILIES = {
    "step": step,
    "round": round_,
    "overhead": overhead,
    "trace": trace,
    "kernels": kernels,
    "allreduce": allreduce,
    "aggregate": aggregate,
    "weak": weak,
    "memory": memory,
    "lanes": lanes,
    "startup": startup,
    "growth": growth,
    "gpu": gpu,
}


def measure(names, quick, insist, report):
    """All rows of the families; `report` is called after each, so that nothing found is lost.

    A family that cannot be measured here gets a row that says why; it has failed if we `insist`.
    """
    figures, failed = [], []
    with tempfile.TemporaryDirectory(prefix="harmofl-bench-") as folder:
        for name in names:
            print(f"{name} ...", file=sys.stderr, flush=True)
            try:
                for row in FAMILIES[name](quick, pathlib.Path(folder)):
                    row["command"] = row["command"] or f"bash bench/run.sh --only {name}"
                    figures.append({"family": name, **row})
                    report(figures)
            except Refused as reason:
                figures.append({"family": name, **missing(name, f"refused: {reason}")})
                report(figures)
                failed += [name] if insist else []
            except SystemExit as problem:
                print(f"error: {name}: {problem}", file=sys.stderr)
                failed.append(name)
            except Exception:
                traceback.print_exc()
                failed.append(name)
            finally:
                end_leftovers()
    return figures, failed


def main():
    parser = argparse.ArgumentParser(prog="bench/run.sh", description=__doc__.splitlines()[0])
    parser.add_argument("--only")
    parser.add_argument("--json", type=pathlib.Path)
    parser.add_argument("--quick", action="store_true")
    given = parser.parse_args()
    names = given.only.split(",") if given.only else list(FAMILIES)
    for name in names:
        if name not in FAMILIES:
            parser.error(f"--only {name}: unknown; known: {', '.join(FAMILIES)}")

    def report(figures):
        if given.json:
            given.json.write_text(json.dumps(figures, indent=2) + "\n")

    figures, failed = measure(names, given.quick, given.only is not None, report)
    print(table(figures))
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
