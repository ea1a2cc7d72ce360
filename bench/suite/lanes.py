# SPDX-License-Identifier: Apache-2.0
"""Two cores used by lanes, ranks or threads, alone and beside other work.

The same rounds by one rank of two lanes, two ranks, one rank of two threads, and one thread, in turn.
All of them end with the same model where they promise it: the lanes with that of one thread.
"""

import contextlib
import json
import os
import pathlib
import statistics
import subprocess
import threading
from dataclasses import dataclass

from .figures import figure, speedup
from .programs import BUILD, CORES, HARMOFL, chosen, mpirun, pinned, rounds, run, synthesize, train


@dataclass(frozen=True)
class Case:
    """A federation and how long it is trained."""

    name: str
    network: str
    width: int
    side: int  # pixels
    clients: int
    images: int  # of a client
    batch: int
    cohort: int  # clients of a round
    rounds: int  # the first warms up, the last is evaluated


CASES = (
    Case("A", "cnn", width=16, side=32, clients=100, images=50, batch=10, cohort=10, rounds=14),
    Case("B", "cnn", width=16, side=32, clients=1000, images=5, batch=5, cohort=100, rounds=14),
    Case("unet", "unet", width=32, side=96, clients=4, images=4, batch=4, cohort=4, rounds=5),
)
QUICK = (Case("A", "cnn", width=4, side=32, clients=6, images=4, batch=2, cohort=4, rounds=4),)


@dataclass(frozen=True)
class Layout:
    """How a run uses the cores."""

    name: str
    ranks: int
    lanes: int
    threads: int


LANES = Layout("two lanes", ranks=1, lanes=2, threads=1)
OTHERS = (
    Layout("two ranks", ranks=2, lanes=1, threads=1),
    Layout("two threads", ranks=1, lanes=1, threads=2),
    Layout("one thread", ranks=1, lanes=1, threads=1),
)
# On an idle machine no slower than two ranks; beside other work no slower than one thread.
GOALS = {("two ranks", 0): ">= 1", ("one thread", 1): ">= 1", ("one thread", 2): ">= 1"}


@contextlib.contextmanager
def busy(count):
    """Keeps so many cores busy, the last ones first, by an endless loop on each."""
    loops = []
    try:
        for core in CORES[-count:] if count else ():
            words = ["taskset", "-c", str(core), "sh", "-c", "while :; do :; done"]
            loops.append(subprocess.Popen(words))
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


class MemoryOf:
    """Most memory that the processes with this text in their command line shared out among them.

    A page that several hold counts for each by its share (Pss), so that libraries count once.
    """

    def __init__(self, text):
        self.bytes = 0
        self._text = str(text).encode()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def _now(self):
        total = 0
        for folder in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                command = (folder / "cmdline").read_bytes()
                if self._text not in command or os.path.realpath(folder / "exe") != str(HARMOFL.resolve()):
                    continue
                for line in (folder / "smaps_rollup").read_text().splitlines():
                    total += 1024 * int(line.split()[1]) if line.startswith("Pss:") else 0
            except OSError:
                continue  # gone
        return total

    def _watch(self):
        while not self._over.wait(0.1):
            self.bytes = max(self.bytes, self._now())

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        self._thread.join()


class Federation:
    """The images of a case, and runs on them."""

    def __init__(self, folder, case):
        self.case = case
        self.folder = folder / f"lanes-{case.name}"
        self.shards = self.folder / "shards"
        self._runs = 0
        images = case.clients * case.images
        if case.network == "cnn":
            self.shards.mkdir(parents=True)
            run((BUILD / "bench/bench_labels", self.shards / "site_0.h5", images))
        else:
            synthesize(self.shards, 1, images, f"{case.side}x{case.side}", "segmentation")

    def train(self, layout, memory=False, exact=False):
        """Seconds of a round and, where wanted, most memory of a run; the folder of the run."""
        case, output = self.case, self.folder / f"run-{self._runs}"
        self._runs += 1
        command = train(
            self.shards,
            output,
            *("--algorithm.name", "fedavg", "--model.name", case.network, "--model.width", case.width),
            *("--data.partition", "iid", "--data.clients", case.clients, "--cohort.size", case.cohort),
            *("--data.batch_size", case.batch, "--train.optimizer", "sgd", "--train.lr", 0.02),
            *("--run.rounds", case.rounds, "--run.save_every", 100_000),
            *("--device.lanes", layout.lanes, "--device.threads", layout.threads),
            *("--comm.reduce", "exact" if exact else "fast"),
        )
        environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
        words = mpirun(layout.ranks, *command) if layout.ranks > 1 else command
        with MemoryOf(output) if memory else contextlib.nullcontext() as watched:
            run(pinned(2, *words), env=environment)
        seconds = statistics.median(line["seconds"] for line in rounds(output)[1:-1])
        return seconds, watched.bytes if memory else 0, output

    def check(self):
        """Lanes and one thread end with the same losses, to the last digit."""
        ends = []
        for layout in (LANES, OTHERS[-1]):
            text = (self.train(layout, exact=True)[2] / "metrics.jsonl").read_text()
            ends.append([{**json.loads(line), "seconds": None} for line in text.splitlines()])
        if ends[0] != ends[1]:
            raise SystemExit(f"lanes {self.case.name}: lanes and one thread do not compute the same")


def beside(federation, load, repeats):
    """Rows of lanes against the other layouts, while so many cores are kept busy."""
    name = federation.case.name
    seconds = {layout: [] for layout in (LANES, *OTHERS)}
    with busy(load):
        for _ in range(repeats):
            for layout, found in seconds.items():
                found.append(federation.train(layout)[0])
    for other in OTHERS:
        yield speedup(
            f"lanes {name}, {other.name}, {load} busy",
            seconds[LANES],
            seconds[other],
            GOALS.get((other.name, load)),
            f"a round by {other.name} over one by two lanes, {load} core(s) of two kept busy by others",
        )


def memory_rows(federation, repeats):
    bytes_of = {layout: [] for layout in (LANES, *OTHERS)}
    for _ in range(repeats):
        for layout, found in bytes_of.items():
            found.append(federation.train(layout, memory=True)[1])
    for other in OTHERS:
        yield figure(
            f"lanes {federation.case.name}, memory, {other.name}",
            bytes_of[LANES],
            bytes_of[other],
            "<= 1" if other.ranks > 1 else None,
            "bytes",
            f"peak memory of two lanes over that of {other.name}, shared pages counted once",
        )


def loads():
    """Numbers of cores that are kept busy in turn: HARMOFL_BENCH_LOADS, else 0, 1 and 2."""
    text = os.environ.get("HARMOFL_BENCH_LOADS", "0,1,2")
    found = [int(word) for word in text.split(",") if word.isdigit() and int(word) <= 2]
    if not found or len(found) != len(text.split(",")):
        raise SystemExit(f"HARMOFL_BENCH_LOADS: {text!r} is not a list of 0, 1 and 2, such as 0,1")
    return found


def lanes(quick, folder):
    for case in QUICK if quick else chosen(CASES):
        federation = Federation(folder, case)
        federation.check()
        for load in (0,) if quick else loads():
            yield from beside(federation, load, 1 if quick else 5)
        yield from memory_rows(federation, 1 if quick else 3)
