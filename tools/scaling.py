#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Scaling studies: runs a federation on growing numbers of ranks, reports what came of it, and
projects it to machines that are not at hand.

    tools/scaling.py run --config FILE.ini --output FOLDER [--kind strong] [--ranks 1,2,4] [...]
    tools/scaling.py report FOLDER
    tools/scaling.py project FOLDER --platform FILE.json [--ranks 1,2,4,...,4096] [...]

Each command tells the rest with --help; docs/guides/scaling.md says how to read the results. Needs
matplotlib (tools/install-deps.sh puts it into .deps/venv); `project` needs SimGrid's smpirun too
(tools/install-deps.sh --cluster).
"""

import argparse
import os
import pathlib
import sys

from scaling import analysis, launching, tables
from scaling.study import Study, StudyError, read_study, this_machine


def rank_list(text):
    """1,2,4 as numbers; an ellipsis doubles the number before it up to the one behind it."""
    ranks = []
    for word in text.split(","):
        if word == "...":
            ranks.append(None)
            continue
        number = int(word)
        if ranks and ranks[-1] is None:
            ranks.pop()
            while ranks and 2 * ranks[-1] < number:
                ranks.append(2 * ranks[-1])
        ranks.append(number)
    if not ranks or None in ranks or min(ranks) < 1:
        raise ValueError
    return sorted(set(ranks))


rank_list.__name__ = "list of ranks (1,2,4 or 1,2,...,64)"  # argparse shows it in its errors


def positive(text):
    number = int(text)
    if number < 1:
        raise ValueError
    return number


def print_status(text):
    print(text, file=sys.stderr, flush=True)


def run(options):
    """Runs a study, or what of it is missing."""
    cores = len(os.sched_getaffinity(0))
    study = Study(
        kind=options.kind,
        ranks=options.ranks,
        repeat=options.repeat,
        warm_up=options.warm_up,
        config=options.config,
        launcher=options.launcher,
        arguments=options.arguments,
        program=options.program,
        shards_a_rank=options.shards_a_rank,
        machine=this_machine(cores),
    )
    launching.value_of(study, "run.rounds")  # says at once when the configuration cannot be read
    if study.kind == "weak":
        launching.plan_growth(study)
    options.output.mkdir(parents=True, exist_ok=True)
    launching.check_same(study, options.output)
    study.write(options.output)
    if study.launcher == "slurm":
        launching.submit(study, options.output, options.sbatch, print_status)
        print_status(f"when the jobs have ended: tools/scaling.py report {options.output}")
        return
    launching.run_locally(study, options.output, cores, print_status)
    options.folder = options.output
    report(options)


def report(options):
    """Writes tables and pictures of a study that was run."""
    from scaling import plots  # matplotlib is not needed to run

    study = read_study(options.folder)
    by_ranks = analysis.read_runs(options.folder, study)
    counts = analysis.analyse(study, by_ranks)
    tables.write_report(options.folder, study, by_ranks, counts)
    plots.plot_report(options.folder, study.kind, counts)
    print(
        f"{study.kind} scaling, {study.repeat} runs each, without the first {study.warm_up} and "
        "the last round; seconds: median (range of the runs)\n"
    )
    print(tables.text_of(counts))


def project(options):
    """Predicts rounds on another machine, after the measured ones on this."""
    from scaling import plots, projection

    study = read_study(options.folder)
    by_ranks = analysis.read_runs(options.folder, study)
    result = projection.project(study, by_ranks, options)
    name = options.name or options.platform.stem
    tables.write_json(options.folder / f"projection-{name}.json", result)
    plots.plot_projection(options.folder / f"projection-{name}.png", result)
    print(projection.text_of(result))


def make_parser():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("run", help="run a study, or what of it is missing, and report it")
    one.add_argument("--config", required=True, help="configuration of the runs")
    one.add_argument("--output", required=True, type=pathlib.Path, metavar="FOLDER")
    one.add_argument(
        "--kind",
        choices=("strong", "weak"),
        default="strong",
        help="strong: the same federation on all ranks; weak: it grows with them",
    )
    one.add_argument("--ranks", type=rank_list, default=[1, 2, 4], help="default 1,2,4")
    one.add_argument("--repeat", type=positive, default=5, help="runs on each number of ranks")
    one.add_argument("--warm-up", type=int, default=2, help="first rounds that are not counted")
    one.add_argument(
        "--shards-a-rank",
        type=int,
        default=0,
        help="weak: default as many as the shards allow on the most ranks",
    )
    one.add_argument("--program", default=os.environ.get("HARMOFL", "build/release/harmofl"))
    one.add_argument("--launcher", choices=("mpirun", "slurm"), default="mpirun")
    one.add_argument(
        "--sbatch",
        action="append",
        default=[],
        metavar="OPTION",
        help="slurm: a further option of sbatch, as --sbatch=--partition=short",
    )
    one.add_argument(
        "arguments", nargs="*", metavar="-- ARGUMENT", help="further arguments of `harmofl train`"
    )
    one.set_defaults(call=run)

    one = commands.add_parser("report", help="tables and pictures of a study that was run")
    one.add_argument("folder", type=pathlib.Path, metavar="FOLDER")
    one.set_defaults(call=report)

    one = commands.add_parser("project", help="predict rounds on a larger machine")
    one.add_argument("folder", type=pathlib.Path, metavar="FOLDER")
    one.add_argument("--platform", required=True, type=pathlib.Path, metavar="FILE.json")
    one.add_argument(
        "--ranks", type=rank_list, default=rank_list("1,2,...,4096"), help="default 1,2,...,4096"
    )
    one.add_argument(
        "--clients", type=positive, help="clients of the federation that stays the same; default: as measured"
    )
    one.add_argument(
        "--clients-a-rank",
        type=positive,
        default=4,
        help="clients of the federation that grows with the ranks; default 4",
    )
    one.add_argument(
        "--message-bytes", type=positive, help="bytes of a client's message; default: as measured"
    )
    one.add_argument("--name", help="of the files projection-NAME.json and .png; default: as FILE")
    one.add_argument(
        "--keep", type=pathlib.Path, metavar="FOLDER", help="write platforms and traces here and leave them"
    )
    one.set_defaults(call=project)
    return parser


def main():
    options = make_parser().parse_args()
    try:
        options.call(options)
    except StudyError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
