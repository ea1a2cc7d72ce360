# SPDX-License-Identifier: Apache-2.0
"""A study as jobs of Slurm: an array a rung, each waiting for the one before, and a job that tells the
results. Their tasks run jobs/tune.sbatch, which shares the trials of the rung out among them."""

import os
import pathlib
import subprocess
from collections.abc import Callable, Sequence

from tune.errors import TuneError
from tune.planning import Trial
from tune.study import Study
from tune.tuning import is_settled, trials_on

JOB = pathlib.Path(__file__).resolve().parents[2] / "jobs" / "tune.sbatch"
REPORT = "report"


def share(study: Study, rung: int, task: int, tasks: int) -> list[tuple[Trial, int]]:
    """What task 0, 1, ... of so many has to run of a rung. What is done is left out after all was shared
    out: no two tasks have the same trial, whenever they start."""
    own = trials_on(study, rung)[task::tasks]
    return [(trial, rounds) for trial, rounds in own if not is_settled(study, trial, rung)]


def planned_on(study: Study, rung: int) -> int:
    """Trials that are planned on a rung, all methods together."""
    return sum(plan.sizes[rung] for plan in study.plan.methods.values())


def job_command(study: Study, what: str, tasks: int, after: str | None, options: Sequence[str]) -> list[str]:
    """`sbatch ...` of a rung (its number from 0) or of the report."""
    waits = [f"--dependency=afterok:{after}"] if after else []
    size = [f"--array=0-{tasks - 1}", f"--ntasks={study.plan.request['ranks']}"] if tasks else ["--ntasks=1"]
    name = f"tune-{what}" if what == REPORT else f"tune-rung-{int(what) + 1}"
    return ["sbatch", "--parsable", f"--job-name={name}", *size, *waits, *options, str(JOB)]


def submit(
    study: Study, tasks: int, options: Sequence[str], program: str, tell: Callable[[str], None]
) -> None:
    """Submits the rungs that are not done, with at most so many tasks each, and the report."""
    after = None
    rungs = range(len(study.plan.rungs))
    for what in [*map(str, rungs), REPORT]:
        count = 0 if what == REPORT else min(tasks, planned_on(study, int(what)))
        environment = os.environ | {"TUNING": str(study.folder), "RUNG": what}
        environment.setdefault("HARMOFL", str(pathlib.Path(program).absolute()))
        try:
            done = subprocess.run(
                job_command(study, what, count, after, options),
                capture_output=True,
                text=True,
                check=False,
                env=environment,
            )
        except FileNotFoundError:
            raise TuneError(
                "sbatch: there is no such program. Call this where Slurm is, or leave out --array."
            ) from None
        if done.returncode != 0:
            raise TuneError(f"sbatch refused rung {what}: {done.stderr.strip()}")
        after = done.stdout.strip().split(";")[0]
        tell(f"job {after}: {what if what == REPORT else f'rung {int(what) + 1}, {count} tasks'}")
