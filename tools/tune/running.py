# SPDX-License-Identifier: Apache-2.0
"""Trials as processes of this machine, several at a time."""

import os
import pathlib
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from scaling.launching import local_environment
from tune.asking import said
from tune.errors import Interrupted, TuneError
from tune.planning import Trial
from tune.records import write_json
from tune.study import Study

INTERRUPTED = 75
# What harmofl says of an update, a gradient or statistics.
DIVERGED = ("NaN or infinite values", "values too large for comm.reduce = exact")
LAUNCHER = pathlib.Path(__file__).resolve().parents[2] / "jobs" / "mpirun.sh"
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGHUP)


@dataclass(frozen=True)
class Machine:
    """How trials are run here."""

    program: str = "build/release/harmofl"
    jobs: int = 1
    """Trials at a time."""
    worst_of_all: bool = False
    """Whether a trial whose run fails for another reason than NaN counts as worst too, and does not end
    the tuning."""
    tell: Callable[[str], None] = lambda text: print(text, file=sys.stderr, flush=True)


def command(study: Study, trial: Trial, rounds: int, program: str) -> list[str]:
    """What runs a trial, or goes on with it, up to so many rounds."""
    ranks = study.plan.request["ranks"]
    words = [program, "train", "--config", str(study.config_file(trial)), "--resume"]
    launcher = [str(LAUNCHER), "-n", str(ranks)] if ranks > 1 else []
    return [*launcher, *words, "--run.rounds", str(rounds)]


def environment(study: Study, jobs: int) -> dict[str, str]:
    """The cores are shared out among the trials at a time and their ranks; that changes no result."""
    cores = len(os.sched_getaffinity(0))
    ranks = study.plan.request["ranks"]
    settings = local_environment(jobs * ranks, cores)
    return settings | {"OMP_NUM_THREADS": str(max(1, cores // (jobs * ranks)))}


def has_diverged(text: str) -> bool:
    return any(phrase in text for phrase in DIVERGED)


def note_failure(study: Study, trial: Trial, rounds: int, text: str, always: bool) -> bool:
    """Looks at what a run said that failed. Writes down that the trial counts as worst, where its
    weights became NaN or `always`; returns whether it does."""
    diverged = has_diverged(text)
    if not diverged and not always:
        return False
    found = {"status": "diverged" if diverged else "failed", "rounds": rounds, "said": said(text)}
    write_json(study.failure_file(trial), found)
    return True


class Child:
    """One run of a trial."""

    def __init__(self, study: Study, trial: Trial, rounds: int, machine: Machine) -> None:
        self.study, self.trial, self.rounds = study, trial, rounds
        log = study.log(trial)
        log.parent.mkdir(parents=True, exist_ok=True)
        self.begin = log.stat().st_size if log.exists() else 0
        words = command(study, trial, rounds, machine.program)
        with open(log, "ab") as file:
            try:
                self.process = subprocess.Popen(
                    words,
                    env=environment(study, machine.jobs),
                    stdin=subprocess.DEVNULL,
                    stdout=file,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,  # signals come from here alone
                )
            except OSError as error:
                raise TuneError(f"{words[0]}: cannot be started ({error.strerror}).") from None

    def ask_to_save(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGUSR1)

    def text(self) -> str:
        """What this run has said."""
        with open(self.study.log(self.trial), "rb") as file:
            file.seek(self.begin)
            return file.read().decode("utf-8", "replace")


class Asked:
    """Whether this process was asked to end, while the object is in use (`with`)."""

    def __init__(self) -> None:
        self.yes = False

    def __enter__(self) -> "Asked":
        self.former = {number: signal.signal(number, self.take) for number in SIGNALS}
        return self

    def take(self, _number: int, _frame: object) -> None:
        self.yes = True

    def __exit__(self, *_: object) -> None:
        for number, handler in self.former.items():
            signal.signal(number, handler)


def finish(child: Child, machine: Machine, asked: bool) -> str:
    """What became of a run that has ended: "done", "worst" or "saved"; TuneError where it ends the tuning.
    A run that was `asked` to save before its first round is ended by the signal, with nothing to save."""
    code = child.process.returncode
    if code == 0:
        child.study.failure_file(child.trial).unlink(missing_ok=True)
        return "done"
    text = child.text()
    if code == INTERRUPTED or (asked and not has_diverged(text)):
        return "saved"
    if note_failure(child.study, child.trial, child.rounds, text, machine.worst_of_all):
        machine.tell(f"{child.trial.name} counts as worst: {said(text)}")
        return "worst"
    raise TuneError(
        f"trial {child.trial.name} ended with status {code}: {said(text).removeprefix('error: ')} "
        f"(all of it: {child.study.log(child.trial)})"
    )


def run_all(study: Study, todo: Sequence[tuple[Trial, int]], machine: Machine) -> None:
    """Runs trials up to so many rounds each. Asked to end, it lets the runs save and raises Interrupted; when
    one fails, the others save too."""
    waiting, running = list(todo), []
    failed: TuneError | None = None
    saved = False
    with Asked() as asked:
        told = False
        while running or (waiting and not asked.yes and failed is None and not saved):
            ending = asked.yes or failed is not None or saved
            while waiting and not ending and len(running) < machine.jobs:
                trial, rounds = waiting.pop(0)
                running.append(Child(study, trial, rounds, machine))
            if ending and not told:
                told = True
                for child in running:
                    child.ask_to_save()
            for child in [child for child in running if child.process.poll() is not None]:
                running.remove(child)
                try:
                    saved |= finish(child, machine, told) == "saved"
                except TuneError as error:
                    failed = failed or error
            time.sleep(0.02)
        if failed is not None:
            raise failed
        if asked.yes or saved:
            raise Interrupted
