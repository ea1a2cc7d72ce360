#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Tunes methods with an equal budget: each gets the same number of client steps.

    tools/tune.py --methods fedavg harmofl --space FILE --budget STEPS --config FILE --output FOLDER
                  [--sampler sobol] [--halving] [--jobs N] [-- --KEY VALUE ...]
    tools/tune.py report FOLDER        tells what came of it, or has until now

A client step is a gradient of a batch: a perturbed step counts twice, and so does Ditto's. The same call goes
on where it was ended. Needs what tools/install-deps.sh puts into .deps/venv. docs/guides/tuning.md has more.
"""

import argparse
import functools
import os
import pathlib
import sys

from harmofl_runs import RunError
from tune import slurm
from tune.asking import ask, read_base
from tune.errors import Interrupted, TuneError
from tune.planning import JOULES, STEPS, Request, pilot_plan
from tune.running import INTERRUPTED, Machine, note_failure
from tune.sampler import SAMPLERS
from tune.space import read_space
from tune.study import Study, prepare, read_study, write_configs
from tune.tables import text_of, write_results
from tune.tuning import measured_prices, results_of, tune


def positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError
    return number


positive.__name__ = "number above 0"  # argparse shows it in its errors


def amount(text: str) -> float:
    number = float(text)
    if not 0 < number < float("inf"):
        raise ValueError
    return number


amount.__name__ = "number above 0"


def tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--methods", nargs="+", required=True, metavar="METHOD", help="as `harmofl algorithms` lists them")
    add("--space", required=True, type=pathlib.Path, metavar="FILE", help="what is tried")
    budget = parser.add_mutually_exclusive_group(required=True)
    budget.add_argument("--budget", type=amount, metavar="STEPS", help="client steps of each method")
    budget.add_argument("--budget-joules", type=amount, metavar="J", help="joules of each method")
    add("--config", type=pathlib.Path, metavar="FILE", help="what all trials have in common")
    add("--output", required=True, type=pathlib.Path, metavar="FOLDER")
    add("--sampler", choices=SAMPLERS, default="sobol", help="default sobol")
    add("--seed", type=int, default=0, help="of the points that are tried; default 0")
    add("--levels", type=positive, default=0, help="grid: values of each range; default: what is paid for")
    add(
        "--halving",
        type=positive,
        nargs="?",
        const=3,
        default=1,
        metavar="ETA",
        help="stop trials early: of each rung one in ETA goes on, default 3",
    )
    add(
        "--rungs",
        type=positive,
        default=3,
        help="with --halving: how often is chosen, and once more; default 3",
    )
    add("--ranks", type=positive, default=1, help="of each trial; default 1")
    add("--threads", type=positive, default=1, help="device.threads of each trial; default 1")
    add("--jobs", type=positive, default=1, help="trials at a time on this machine; default 1")
    add(
        "--on-failure",
        choices=("stop", "worst"),
        default="stop",
        help="when a run fails but for NaN; default stop",
    )
    add("--plan", action="store_true", help="only plan: write plan.json and show it")
    add("--array", type=positive, metavar="TASKS", help="submit to Slurm: an array of so many tasks a rung")
    add("--sbatch", action="append", default=[], metavar="OPTION", help="--array: a further option of sbatch")
    add("--program", default=os.environ.get("HARMOFL", "build/release/harmofl"))
    add("arguments", nargs="*", metavar="-- ARGUMENT", help="further keys of `harmofl train`")
    return parser


def make_request(options: argparse.Namespace) -> Request:
    methods = [name for word in options.methods for name in word.split(",") if name]
    return Request(
        methods=tuple(methods),
        space=read_space(options.space),
        budget=options.budget or options.budget_joules,
        unit=STEPS if options.budget else JOULES,
        config=read_base(options.config, options.arguments),
        sampler=options.sampler,
        seed=options.seed,
        eta=options.halving,
        rungs=options.rungs,
        levels=options.levels,
        ranks=options.ranks,
        threads=options.threads,
    )


def prices_by_pilots(request: Request, options: argparse.Namespace, machine: Machine) -> dict[str, float]:
    """Joules of a client step of each method, measured by the first rung of its first trial, here."""
    if options.array:
        raise TuneError(
            "--budget-joules: what a step takes is measured first. Call this with --plan, where GPUs are."
        )
    # Trials of the plan to come, whose runs go on from there.
    pilots = write_configs(options.output, pilot_plan(request, functools.partial(ask, options.program)))
    tell("measuring the joules of a client step")
    return measured_prices(pilots, machine)


def show_plan(study: Study) -> str:
    plan = study.plan
    lines = [
        f"rungs end after {', '.join(map(str, plan.rungs))} rounds; "
        f"budget of each method: {plan.budget:.0f} {plan.unit}"
    ]
    for name, method in plan.methods.items():
        sizes = ", ".join(map(str, method.sizes))
        lines.append(f"{name}: {sizes} trials, {method.planned:.0f} {plan.unit} at most")
    return "\n".join(lines)


def run(options: argparse.Namespace) -> int:
    if options.budget_joules and options.jobs > 1:
        raise TuneError(
            f"--jobs {options.jobs}: trials at the same time share one meter, so that their joules cannot be "
            "told apart. Leave it out with --budget-joules."
        )
    request = make_request(options)
    for name in sorted(set(request.space.own) - set(request.methods)):
        tell(f"note: {options.space}: [{name}] is not among --methods and is left out")
    machine = Machine(options.program, options.jobs, options.on_failure == "worst", tell)
    measure = (
        functools.partial(prices_by_pilots, request, options, machine) if options.budget_joules else None
    )
    study = prepare(request, options.output, functools.partial(ask, options.program), measure)
    tell(show_plan(study))
    if options.plan:
        return 0
    if options.array:
        slurm.submit(study, options.array, options.sbatch, options.program, tell)
        tell(f"when the jobs have ended: tools/tune.py report {options.output}")
        return 0
    tune(study, machine)
    return report(study)


def report(study: Study) -> int:
    """Writes and prints what came of a study until now. Fails where a method has no best trial in the end."""
    results = results_of(study)
    write_results(study, results)
    print(text_of(study, results, every_trial=False), end="")
    return 0 if not results.complete or all(results.best.values()) else 1


def share(folder: str, rung: str, task: str, tasks: str) -> int:
    """For jobs/tune.sbatch: the trials of a task, a line each: name, configuration, rounds, log."""
    study = read_study(folder)
    for trial, rounds in slurm.share(study, int(rung), int(task), int(tasks)):
        print(trial.name, study.config_file(trial), rounds, study.log(trial), sep="\t")
    return 0


def worst(folder: str, name: str, rounds: str) -> int:
    """For jobs/tune.sbatch: whether a trial that failed counts as worst, which is then written down."""
    study = read_study(folder)
    trial = study.trial_of_name(name)
    text = study.log(trial).read_text(encoding="utf-8", errors="replace")
    return 0 if note_failure(study, trial, int(rounds), text, always=False) else 1


COMMANDS = {"report": lambda folder: report(read_study(folder)), "share": share, "worst": worst}


def main() -> int:
    try:
        if len(sys.argv) > 1 and sys.argv[1] in COMMANDS:
            command, words = sys.argv[1], sys.argv[2:]
            if len(words) != COMMANDS[command].__code__.co_argcount:
                raise TuneError(f"tools/tune.py {command}: takes other arguments. See --help.")
            return COMMANDS[command](*words)
        return run(make_parser().parse_args())
    except (TuneError, RunError) as error:
        tell(f"error: {error}")
        return 1
    except Interrupted:
        tell("interrupted: the runs in progress are saved, and the same call goes on")
        return INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
