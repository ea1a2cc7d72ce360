# SPDX-License-Identifier: Apache-2.0
"""Runs what is missing, several runs at a time, each on a core of its own."""

import json
import os
import pathlib
import signal
import subprocess
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from harmofl_runs import RunError
from scanner.folders import ScannerError
from study.errors import StudyError
from study.plan import Case
from study.steps import LOG, TIMES, Step, Tools, steps

SAVED = 75  # exit code of a run that was interrupted and has saved
IN_A_ROW = 3  # so many failures and no success: something is wrong with all
POLL_S = 0.1


@dataclass
class Outcome:
    """How a call ended."""

    done: int = 0
    failed: list[str] = field(default_factory=list)
    """Names of the runs, and why."""
    left: int = 0
    interrupted: bool = False

    @property
    def exit_code(self) -> int:
        return SAVED if self.interrupted else 1 if self.failed else 0


@dataclass
class Job:
    """A run in progress."""

    one: Case
    waiting: list[Step]
    core: int
    process: subprocess.Popen | None = None
    step: Step | None = None
    started: float = 0.0
    stopped_s: float = 0.0
    told: bool = False
    """Whether it was asked to save and end."""


class Clock:
    """Seconds that runs took, and what is left by them."""

    def __init__(self) -> None:
        self.seconds: dict[str, list[float]] = defaultdict(list)

    def add(self, method: str, seconds: float) -> None:
        self.seconds[method].append(seconds)

    def left(self, cases: Sequence[Case], jobs: int) -> float | None:
        """Seconds for the runs: the mean of their method, else of all; None before the first has ended."""
        every = [value for values in self.seconds.values() for value in values]
        if not every:
            return None
        usual = sum(every) / len(every)
        means = {method: sum(values) / len(values) for method, values in self.seconds.items()}
        return sum(means.get(one.method, usual) for one in cases) / jobs


def duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60:02d} min" if minutes >= 60 else f"{minutes} min"


def last_line(log: pathlib.Path) -> str:
    """The last error of a log, else its last line."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines() if log.is_file() else []
    errors = [line for line in lines if line.startswith("error")]
    return (errors or [line for line in lines if line.strip()] or ["it said nothing"])[-1]


class Driver:
    """Runs cases; `say` gets a line for each that ends."""

    def __init__(
        self,
        tools: Tools,
        jobs: int = 1,
        limit_s: float | None = None,
        pause: pathlib.Path | None = None,
        say: Callable[[str], None] = print,
    ) -> None:
        self.tools, self.jobs, self.limit_s, self.pause, self.say = tools, jobs, limit_s, pause, say
        self.clock, self.outcome, self.began = Clock(), Outcome(), time.monotonic()
        self.running: list[Job] = []
        self.paused_since: float | None = None
        cores = sorted(os.sched_getaffinity(0))
        self.free = [cores[index % len(cores)] for index in range(jobs)]

    def run(self, cases: Sequence[Case]) -> Outcome:
        """Runs those that are not done. A signal lets runs save and end, and what comes after is left."""
        waiting = [one for one in cases if any(not step.done for step in steps(one, self.tools))]
        self.say(f"{len(cases)} runs, {len(cases) - len(waiting)} done, {len(waiting)} to do")
        old = {number: signal.signal(number, self._interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            while self.running or (waiting and self._goes_on()):
                self._look_at_pause()
                self._tell()
                while waiting and self.free and self._goes_on() and self.paused_since is None:
                    one = waiting.pop(0)
                    missing = [step for step in steps(one, self.tools) if not step.done]
                    self._next(Job(one, missing, self.free.pop(0), started=time.monotonic()))
                self._collect(waiting)
                time.sleep(POLL_S)
        finally:
            for number, handler in old.items():
                signal.signal(number, handler)
        self.outcome.left = len(waiting)
        return self.outcome

    def _goes_on(self) -> bool:
        hopeless = self.outcome.done == 0 and len(self.outcome.failed) >= IN_A_ROW
        late = self.limit_s is not None and time.monotonic() - self.began >= self.limit_s
        return not (self.outcome.interrupted or hopeless or late)

    def _next(self, job: Job) -> None:
        """Starts the job's next step."""
        job.step = job.waiting.pop(0)
        folder = self.tools.folder(job.one)
        try:
            words = job.step.words()
            folder.mkdir(parents=True, exist_ok=True)
            with (folder / LOG).open("a", encoding="utf-8") as log:
                job.process = subprocess.Popen(
                    words,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    env={**os.environ, "OMP_NUM_THREADS": "1"},
                    # Of a group of its own: an interrupt of the terminal comes to it once, from here.
                    start_new_session=True,
                )
        except (StudyError, ScannerError, RunError) as error:
            self._end(job, str(error))
            return
        except OSError as error:
            self._end(job, f"{error.filename}: {error.strerror}")
            return
        try:
            os.sched_setaffinity(job.process.pid, {job.core})
        except OSError:
            pass  # it has ended already, or the system has no such call: a core is a wish
        self.running.append(job)

    def _end(self, job: Job, failure: str | None = None) -> None:
        """A run has ended, or could not begin."""
        self.free.append(job.core)
        if failure is not None:
            self.outcome.failed.append(f"{job.one.name}: {job.step.name}: {failure}")
            self.say(f"failed  {self.outcome.failed[-1]}")

    def _collect(self, waiting: list[Case]) -> None:
        """Sees to the processes that have ended."""
        for job in list(self.running):
            pid, status, used = os.wait4(job.process.pid, os.WNOHANG)
            if pid == 0:
                continue
            self.running.remove(job)
            code = job.process.returncode = os.waitstatus_to_exitcode(status)
            self._note(job, code, used.ru_utime + used.ru_stime)
            if self.outcome.interrupted and (code == SAVED or code < 0):
                self._end(job)
            elif code != 0 or not job.step.done:
                self._end(job, f"ended with {code}: {last_line(self.tools.folder(job.one) / LOG)}")
            elif job.waiting and not self.outcome.interrupted:
                self._next(job)
            else:
                self._finish(job, waiting)

    def _note(self, job: Job, code: int, cpu_s: float) -> None:
        """Keeps what a step took, also one that was cut off: the hours of a study are their sum."""
        line = {"step": job.step.name, "exit_code": code, "cpu_seconds": round(cpu_s, 3)}
        with (self.tools.folder(job.one) / TIMES).open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    def _finish(self, job: Job, waiting: list[Case]) -> None:
        seconds = time.monotonic() - job.started - job.stopped_s
        self.clock.add(job.one.method, seconds)
        self.outcome.done += 1
        left = self.clock.left([*waiting, *(other.one for other in self.running)], self.jobs)
        self._end(job)
        self.say(
            f"done  {job.one.name}  {seconds:.0f} s, {len(waiting)} to start, {duration(left or 0)} left"
        )

    def _interrupt(self, number: int, frame: object) -> None:
        self.outcome.interrupted = True

    def _tell(self) -> None:
        """Asks the runs in progress to save and end, once this process was asked to."""
        for job in self.running:
            if self.outcome.interrupted and not job.told:
                job.told = True
                job.process.send_signal(signal.SIGTERM)

    def _look_at_pause(self) -> None:
        """Holds all runs while the file is there."""
        wanted = self.pause is not None and self.pause.exists() and not self.outcome.interrupted
        if wanted == (self.paused_since is not None):
            return
        for job in self.running:
            job.process.send_signal(signal.SIGSTOP if wanted else signal.SIGCONT)
            if not wanted:
                job.stopped_s += time.monotonic() - max(self.paused_since or 0, job.started)
        self.paused_since = time.monotonic() if wanted else None
        self.say(f"held while {self.pause} is there" if wanted else "going on")
