#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""When does HarmoFL help? Experiments on microscopy through simulated scanners.

    tools/study.py list    --output runs/study [--only NAME ...]
    tools/study.py run     --output runs/study --source BBBC038 [--only NAME ...] [--jobs 2]
    tools/study.py collect --output runs/study

`run` does what is missing, and goes on where it was interrupted: first rates, then new-sites; optional
experiments when --only names them. A run is OUTPUT/<experiment>/<setting>/<method>-seed<seed>. `collect`
writes CSV files into OUTPUT/collected; figures and tests are of tools/report.py --against strength.
docs/guides/study.md says what each experiment asks.
Exit status: 0 all is done; 1 a run failed; 2 usage; 75 interrupted and saved, the same command goes on.
"""

import argparse
import functools
import pathlib
import sys

from harmofl_runs import RunError
from study import collect, tuned
from study.data import Store
from study.driver import Driver, Outcome
from study.errors import StudyError
from study.experiments import EXPERIMENTS, Experiment
from study.plan import Case, part, plan
from study.steps import Tools, steps

ROOT = pathlib.Path(__file__).resolve().parents[1]


def seeds_of(text: str) -> list[int]:
    """ "5" is 0 to 4, "0,3" those two."""
    try:
        numbers = [int(word) for word in text.split(",")]
    except ValueError:
        numbers = [-1]
    if min(numbers) < 0 or ("," not in text and numbers[0] == 0):
        raise argparse.ArgumentTypeError(f"{text!r} is neither a number of seeds nor seeds with commas")
    return numbers if "," in text else list(range(numbers[0]))


def share_of(text: str) -> tuple[int, int]:
    """ "2/8" is the second of eight shares."""
    words = text.split("/")
    if (
        len(words) != 2
        or not all(word.isdigit() for word in words)
        or not 1 <= int(words[0]) <= int(words[1])
    ):
        raise argparse.ArgumentTypeError(f"{text!r} is not a share such as 2/8")
    return int(words[0]), int(words[1])


def words_of(text: str) -> list[str]:
    """ "a,b" """
    return text.split(",")


def at_least_one(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 on")
    return int(text)


def arguments(words: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("command", choices=("list", "run", "collect"))
    parser.add_argument("--output", type=pathlib.Path, required=True, help="folder of the runs")
    parser.add_argument(
        "--only",
        action="append",
        choices=list(EXPERIMENTS),
        metavar="NAME",
        help=f"an experiment; may be repeated. Known: {', '.join(EXPERIMENTS)}",
    )
    parser.add_argument("--methods", type=words_of, help="only these, with commas")
    parser.add_argument("--held-out", type=words_of, help="only runs that hold out these sites, with commas")
    parser.add_argument(
        "--seeds", type=seeds_of, help="how many, or which with commas (default: the experiment's)"
    )
    parser.add_argument("--share", type=share_of, default=(1, 1), help="I/N: of N processes this is the I-th")
    parser.add_argument("--source", type=pathlib.Path, help="BBBC038 as datasets/bbbc038.md lays it out")
    parser.add_argument("--data", type=pathlib.Path, help="folder of the shards (default: OUTPUT/data)")
    parser.add_argument("--size", type=at_least_one, default=64, help="pixels a side (default: 64)")
    parser.add_argument(
        "--tuned", type=pathlib.Path, help="folder of METHOD.ini with tuned keys, in place of rates"
    )
    parser.add_argument("--config", type=pathlib.Path, default=ROOT / "jobs/study.ini")
    parser.add_argument("--program", default=str(ROOT / "build/release/harmofl"))
    parser.add_argument("--prepare", default=str(ROOT / "build/release/harmofl-prepare"))
    parser.add_argument(
        "--jobs", type=at_least_one, default=1, help="runs at a time, a core each (default: 1)"
    )
    parser.add_argument("--limit-minutes", type=float, help="start no run after so long")
    parser.add_argument(
        "--pause-while", type=pathlib.Path, metavar="FILE", help="hold all runs while it is there"
    )
    options = parser.parse_args(words)
    if options.command == "run" and options.source is None:
        parser.error("run needs --source, the folder of BBBC038")
    return options


def chosen(options: argparse.Namespace) -> list[Experiment]:
    names = options.only or [name for name, one in EXPERIMENTS.items() if not one.optional]
    return [EXPERIMENTS[name] for name in EXPERIMENTS if name in names]


def cases_of(experiment: Experiment, options: argparse.Namespace) -> list[Case]:
    """The runs that are asked for, of one experiment. One that chooses rates always has all its seeds: the
    same rates for whatever is run."""
    cases = plan(experiment, options.seeds if experiment.rates else None)
    if options.methods:
        known = {one.method for one in cases}
        unknown = sorted(set(options.methods) - known - {name.rpartition("-lr")[0] for name in known})
        if unknown:
            raise StudyError(
                f"--methods: {experiment.name} has no {unknown[0]!r}. It has: {', '.join(sorted(known))}."
            )
        cases = [one for one in cases if {one.method, one.method.rpartition("-lr")[0]} & set(options.methods)]
    if options.held_out:
        known = {one.held_out for one in cases if one.held_out}
        unknown = sorted(set(options.held_out) - known)
        if unknown:
            raise StudyError(
                f"--held-out: {experiment.name} never holds out {unknown[0]!r}, but: "
                f"{', '.join(sorted(known)) or 'nobody'}."
            )
        cases = [one for one in cases if one.held_out in options.held_out]
    return cases


def tools_of(options: argparse.Namespace) -> Tools:
    folder = options.data or options.output / "data"
    store = Store(folder.resolve(), options.source or pathlib.Path("."), options.prepare, options.size)
    return Tools(options.program, options.config, options.output, store)


def list_cases(options: argparse.Namespace) -> Outcome:
    """Says of every run whether it is done."""
    tools = tools_of(options)
    for experiment in chosen(options):
        cases = cases_of(experiment, options)
        done = [all(step.done for step in steps(one, tools)) for one in cases]
        print(f"{experiment.name}: {experiment.asks}; {len(cases)} runs, {sum(done)} done")
        for one, is_done in zip(cases, done):
            print(f"  {'done' if is_done else '    '}  {one.name}")
    return Outcome()


def run_cases(options: argparse.Namespace) -> Outcome:
    """Experiment after experiment, since those after `rates` need what it found."""
    tools, total = tools_of(options), Outcome()
    limit_s = None if options.limit_minutes is None else 60 * options.limit_minutes
    driver = Driver(tools, options.jobs, limit_s, options.pause_while, functools.partial(print, flush=True))
    for experiment in chosen(options):
        cases = cases_of(experiment, options)
        if experiment.rates:
            cases = tuned.tune(options.tuned, options.output, cases)
        print(f"{experiment.name}: {experiment.asks}")
        total = driver.run(part(cases, *options.share))
        if total.failed or total.interrupted or total.left:
            break
    for line in total.failed:
        print(f"error: {line}", file=sys.stderr)
    if total.interrupted:
        print("interrupted; what ran has saved", file=sys.stderr)
    if total.left:
        print(f"{total.left} runs are left of {experiment.name}: the same command goes on")
    return total


def collect_all(options: argparse.Namespace) -> Outcome:
    """Tables of what has ended."""
    for path, rows in collect.write(
        options.output, [one.name for one in chosen(options)] if options.only else None
    ):
        print(f"{path}  {rows} rows")
    return Outcome()


def main(words: list[str] | None = None) -> int:
    options = arguments(words)
    does = {"list": list_cases, "run": run_cases, "collect": collect_all}
    try:
        return does[options.command](options).exit_code
    except (StudyError, RunError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
