# SPDX-License-Identifier: Apache-2.0
"""The command line; see gpu-check.sh, which starts it."""

import argparse
import pathlib
import sys
import time

from .machine import describe
from .parts import all_parts, chosen
from .report import Report, counts
from .running import run


def parse():
    parser = argparse.ArgumentParser(prog="gpu-check.sh")
    parser.add_argument("--root", type=pathlib.Path, required=True)
    parser.add_argument("--output", type=pathlib.Path, default=pathlib.Path("gpu-report"))
    parser.add_argument("--limit", type=float)
    parser.add_argument("--only", default="")
    parser.add_argument("--again", action="store_true")
    parser.add_argument("--list", action="store_true")
    return parser, parser.parse_args()


def check(parts, report, seconds):
    """Runs what the report does not have yet, in `seconds` in all (None: any number)."""
    begin = time.monotonic()
    for part in parts:
        if report.is_known(part.name):
            continue
        left = None if seconds is None else seconds - (time.monotonic() - begin)
        print(f"{part.name} ...", flush=True)
        outcome = run(part, left, report.folder / "logs" / f"{part.name.replace('/', '-')}.txt")
        report.add(part.name, outcome)
        print(f"    {outcome.result}, {outcome.seconds:.1f} s {outcome.note}".rstrip(), flush=True)


def main():
    begin = time.monotonic()
    parser, given = parse()
    work = given.output.absolute()
    parts = all_parts(given.root, work)
    wanted = chosen(parts, [one for one in given.only.split(",") if one])
    if not wanted:
        parser.error(f"--only {given.only}: no part is named so; --list has them all")
    if given.list:
        for part in wanted:
            print(f"{part.name} (at most {part.limit} s)")
        return 0
    report = Report(work, describe(given.root), [part.name for part in parts], given.again)
    report.save()
    left = None if given.limit is None else given.limit - (time.monotonic() - begin)
    check(wanted, report, left)
    found = report.content()["parts"]
    print(f"{counts(found)}; report: {work}/report.md")
    return 1 if any(part["result"] in ("failed", "timed out") for part in found) else 0


if __name__ == "__main__":
    sys.exit(main())
