# SPDX-License-Identifier: Apache-2.0
"""Starts the programs that are measured: to their end, or as workers that take turns."""

import functools
import json
import os
import pathlib
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import uuid
from dataclasses import dataclass

ROOT = pathlib.Path(__file__).resolve().parents[2]
DEPS = pathlib.Path(os.environ.get("HARMOFL_DEPS", ROOT / ".deps"))
BUILD = pathlib.Path(os.environ.get("HARMOFL_BUILD", ROOT / "build/release"))
BUNDLE = os.environ.get("HARMOFL_BUNDLE")  # the folder of a bundle (tools/bundle.sh), in place of a build
HARMOFL = pathlib.Path(BUNDLE, "bin/harmofl") if BUNDLE else BUILD / "harmofl"
MPIRUN = pathlib.Path(BUNDLE, "bin/mpirun") if BUNDLE else "mpirun"
PEERS = ROOT / "bench/peers"
TOKEN = uuid.uuid4().hex  # in the environment of all that a peer starts
CORES = sorted(os.sched_getaffinity(0))


def bench_program(name):
    """The path of a program bench_*."""
    return pathlib.Path(BUNDLE, "bin", name) if BUNDLE else BUILD / "bench" / name


def run(command, **options):
    """Runs a program to its end; its error output is shown when it fails."""
    words = [str(word) for word in command]
    done = subprocess.run(words, capture_output=True, text=True, check=False, **options)
    if done.returncode != 0:
        sys.exit(f"failed ({done.returncode}): {' '.join(words)}\n{done.stderr}")
    return done.stdout


class Refused(Exception):
    """Something cannot be measured here; says why."""


def mpirun(ranks, *command):
    return (MPIRUN, "-n", ranks, *command)


def pinned(cores, *command):
    """The command on the last so many cores that this process may use (or all of them).

    The last, because the system's own work prefers the first.
    """
    return ("taskset", "-c", ",".join(str(core) for core in CORES[-cores:]), *command)


def synthesize(folder, sites, train, size, task="classification"):
    run(
        (
            HARMOFL,
            "synthesize",
            "--output",
            folder,
            "--task",
            task,
            "--sites",
            sites,
            "--train",
            train,
            "--val",
            4,
            "--test",
            4,
            "--size",
            size,
        )
    )


def rounds(folder):
    """The lines of rounds.jsonl; the first warms up, the last is evaluated."""
    return [json.loads(line) for line in (folder / "rounds.jsonl").read_text().splitlines()]


def seconds_of(folder):
    """Seconds of a round: the median without the first and the last."""
    return statistics.median(line["seconds"] for line in rounds(folder)[1:-1])


def train(shards, output, *arguments):
    return (
        HARMOFL,
        "train",
        "--data.shards",
        shards,
        "--run.output",
        output,
        "--run.evaluate_every",
        100_000,
        *arguments,
    )


def chosen(cases):
    """The cases whose `name` begins with HARMOFL_BENCH_CASE."""
    return [case for case in cases if case.name.startswith(os.environ.get("HARMOFL_BENCH_CASE", ""))]


@functools.cache
def can_import(python, path, modules):
    """Whether that Python imports torch and finds the modules."""
    python = shutil.which(python) or python
    check = (
        f"import importlib.util, sys, torch; sys.exit(not all(importlib.util.find_spec(name) "
        f"for name in {modules!r}))"
    )
    return (
        pathlib.Path(python).exists()
        and subprocess.run(
            [python, "-c", check], env={**os.environ, "PYTHONPATH": path}, capture_output=True, check=False
        ).returncode
        == 0
    )


def peer_python(*modules):
    """The Python that has torch, what reads shards, and these modules, and its environment; (None,
    reason) without.

    HARMOFL_BENCH_PYTHON names another one than that of tools/install-deps.sh --bench.
    """
    return _python_with(("h5py", "safetensors", *modules), ", ".join(modules) or "PyTorch")


def torch_python():
    """As peer_python, of a Python that has torch and perhaps nothing else; in a bundle this one."""
    return _python_with((), "PyTorch")


def _python_with(modules, wanted):
    own = os.environ.get("HARMOFL_BENCH_PYTHON") or (sys.executable if BUNDLE else None)
    candidates = [own] if own else [DEPS / "bench-venv/bin/python", DEPS / "venv/bin/python"]
    given = [os.environ[name] for name in ("PYTHONPATH",) if own and os.environ.get(name)]
    path = os.pathsep.join([str(PEERS), *given] + ([] if own else [str(DEPS / "libtorch")]))
    for python in candidates:
        if can_import(str(python), path, modules):
            return str(python), {**os.environ, "PYTHONPATH": path, "HARMOFL_BENCH_TOKEN": TOKEN}
    return None, f"not installed: {wanted} (tools/install-deps.sh --bench)"


def end_leftovers():
    """Ends what a peer's framework left running: processes that have this run's token."""
    for folder in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            known = TOKEN.encode() in (folder / "environ").read_bytes()
            if known and folder.name != str(os.getpid()):
                os.kill(int(folder.name), signal.SIGKILL)
        except OSError:
            continue  # gone, or another user's


@dataclass(frozen=True)
class Turn:
    """What a worker says of the units that it has done."""

    seconds: float  # of all of them
    loss: float  # of the last one


class Worker:
    """A program that waits on standard input for what to do (bench/fl/program.hpp, turns.py)."""

    def __init__(self, command, ranks=1, environment=None):
        """`command` is started `ranks` times, each on a core of its own, where ranks > 1."""
        self._log = tempfile.TemporaryFile(mode="w+")
        self._words = [str(word) for word in command]
        self._processes = [self._start(rank, ranks, environment or dict(os.environ)) for rank in range(ranks)]
        self._expect("ready")

    def _start(self, rank, ranks, environment):
        words = self._words
        if ranks > 1:
            words = ["taskset", "-c", str(CORES[-1 - rank % len(CORES)]), *words]
            environment = {
                **environment,
                "RANK": str(rank),
                "WORLD_SIZE": str(ranks),
                "LOCAL_RANK": str(rank),
                "LOCAL_WORLD_SIZE": str(ranks),
                "MASTER_ADDR": "127.0.0.1",
                "MASTER_PORT": str(self._port()),
                "TORCHELASTIC_RUN_ID": "bench",
                "GLOO_SOCKET_IFNAME": "lo",
            }
        return subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log, text=True, env=environment
        )

    def _port(self):
        """A free port, the same for all ranks of this worker."""
        if not hasattr(self, "_free_port"):
            import socket

            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                self._free_port = probe.getsockname()[1]
        return self._free_port

    def _line(self):
        line = self._processes[0].stdout.readline().strip()
        if not line:
            self.close()
            self._log.seek(0)
            sys.exit(f"failed: {' '.join(self._words)}\n{self._log.read()[-4000:]}")
        return line

    def _expect(self, text):
        line = self._line()
        if line != text:
            sys.exit(f"{' '.join(self._words)}: said {line!r}, not {text!r}")

    def _tell(self, text):
        self._processes[0].stdin.write(text + "\n")
        self._processes[0].stdin.flush()

    def do_units(self, count):
        """Has `count` units done, as one Turn."""
        self._tell(str(count))
        seconds, loss = self._line().split()
        return Turn(float(seconds), float(loss))

    def save(self, path):
        self._tell(f"save {path}")
        self._expect("saved")

    def process_id(self):
        return self._processes[0].pid

    def close(self):
        for process in self._processes:
            try:
                process.stdin.close()
                process.wait(timeout=60)
            except (OSError, subprocess.TimeoutExpired):
                process.kill()
                process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def in_turn(workers, count, repeats):
    """Seconds of a unit and last losses of each worker, by name: `repeats` turns of `count`."""
    seconds, losses = {name: [] for name in workers}, {name: [] for name in workers}
    for _ in range(repeats):
        for name, worker in workers.items():
            turn = worker.do_units(count)
            seconds[name].append(turn.seconds / count)
            losses[name].append(turn.loss)
    return seconds, losses
