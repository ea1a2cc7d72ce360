# SPDX-License-Identifier: Apache-2.0
"""Rounds of FedAvg with the small CNN, against a bare PyTorch loop, pfl-research and Flower.

All sides read the same shard, start from the same weights and train the same clients in every
round: the peers are given the partition and the cohorts that harmofl chose. No side shuffles,
augments, evaluates or saves. After one round, and after two, the models must agree.
"""

import contextlib
import json
import statistics
from dataclasses import dataclass, field

from safetensors.numpy import load_file

from .figures import missing, require_below, speedup
from .programs import (
    BUILD,
    HARMOFL,
    PEERS,
    Worker,
    chosen,
    end_leftovers,
    mpirun,
    peer_python,
    pinned,
    run,
    seconds_of,
    train,
)


@dataclass(frozen=True)
class Federation:
    """Clients with as many images each, some of which train in a round."""

    name: str
    clients: int
    images: int  # of a client
    batch: int
    cohort: int  # clients of a round; even, because pfl shares them out in pairs


CASES = (
    Federation("A", clients=100, images=50, batch=10, cohort=10),
    Federation("B", clients=1000, images=5, batch=5, cohort=100),
)
QUICK = (Federation("A", clients=6, images=4, batch=2, cohort=4),)
WIDTH = 16
# How far a peer's model may be from harmofl's after so many rounds, as a part of the way that it
# went. Rounding grows from step to step: measured, 3e-5 after one round, 1e-3 after two and 1e-2
# after five.
TOLERANCES = {1: 2e-3, 2: 5e-2}


class Case:
    """One federation's shard, its weights, and what harmofl is told."""

    def __init__(self, folder, federation, quick):
        self.federation = federation
        self.name = federation.name
        self.folder = folder / f"round-{self.name}"
        self.rounds = 4 if quick else 8  # of a run; the first warms up, the last is evaluated
        self.repeats = 1 if quick else 5
        self.shard = self.folder / "shards/site_0.h5"
        self.shard.parent.mkdir(parents=True)
        run((BUILD / "bench/bench_labels", self.shard, federation.clients * federation.images))
        self._runs = 0

    def harmofl(self, ranks, rounds=None):
        """Runs harmofl for `self.rounds` rounds, or so many; the folder of the run."""
        output = self.folder / f"run-{self._runs}"
        self._runs += 1
        federation = self.federation
        command = train(
            self.shard.parent,
            output,
            "--algorithm.name",
            "fedavg",
            "--model.name",
            "cnn",
            "--model.width",
            WIDTH,
            "--data.partition",
            "iid",
            "--data.clients",
            federation.clients,
            "--cohort.size",
            federation.cohort,
            "--data.batch_size",
            federation.batch,
            "--data.augment",
            "false",
            "--data.shuffle",
            "false",
            "--train.optimizer",
            "sgd",
            "--train.lr",
            0.1,
            "--train.momentum",
            0,
            "--train.weight_decay",
            0,
            "--model.memory_format",
            "channels-last",
            "--device.threads",
            1,
            "--run.rounds",
            rounds or self.rounds,
            "--run.save_every",
            100_000,
            "--run.save_initial",
            "true",
        )
        run(pinned(ranks, *(mpirun(ranks, *command) if ranks > 1 else command)))
        return output

    def learn(self, output):
        """Takes initial weights, partition and cohorts from a run, and models from shorter ones."""
        self.partition = output / "partition.csv"
        self.weights = self._export(output / "initial.h5", "initial")
        self.models = {
            count: self._export(self.harmofl(1, count) / "checkpoint.h5", count) for count in TOLERANCES
        }
        cohorts = [[] for _ in range(self.rounds)]
        for text in (output / "metrics.jsonl").read_text().splitlines():
            line = json.loads(text)
            if line["split"] == "train":
                cohorts[line["round"]].append(line["site"])
        self.cohorts = self.folder / "cohorts.json"
        self.cohorts.write_text(json.dumps(cohorts))

    def _export(self, checkpoint, name):
        file = self.folder / f"{name}.safetensors"
        run((HARMOFL, "export", "--checkpoint", checkpoint, "--output", file))
        return file

    def peer(self, script, python, environment, ranks, processes, layout="contiguous", **more):
        """Starts a peer on `ranks` cores, as so many processes."""
        given = {
            "shard": self.shard,
            "partition": self.partition,
            "cohorts": self.cohorts,
            "weights": self.weights,
            "width": WIDTH,
            "batch": self.federation.batch,
            "threads": 1,
            "format": layout,
            **more,
        }
        command = [python, PEERS / script, *(f"{name}={value}" for name, value in given.items())]
        return Worker(command if processes > 1 else pinned(ranks, *command), processes, environment)

    def check(self, name, worker):
        """Has the peer do the first rounds, and compares its model with harmofl's after each."""
        for count, tolerance in TOLERANCES.items():
            worker.do_units(1)
            file = self.folder / "peer.safetensors"
            worker.save(file)
            require_below(
                f"round {self.name}: distance of {name}'s model and harmofl's after "
                f"{count} round(s), as a part of the way that it went",
                self._distance(file, self.models[count]),
                tolerance,
            )

    def _distance(self, file, model):
        start, ours, theirs = (load_file(path) for path in (self.weights, model, file))
        apart = sum(float(((ours[name] - theirs[name]) ** 2).sum()) for name in ours)
        way = sum(float(((ours[name] - start[name]) ** 2).sum()) for name in ours)
        return (apart / way) ** 0.5


def compare(case, ranks, names, started):
    """Rows of harmofl on `ranks` cores against peers that run at the same time, in turn with it."""
    turns, federation = case.rounds - 2, case.federation
    ours, others = [], {name: [] for name in names}
    for worker, name in zip(started, names):
        case.check(name, worker)
    for _ in range(case.repeats):
        ours.append(seconds_of(case.harmofl(ranks)))
        for worker, name in zip(started, names):
            others[name].append(statistics.median(worker.do_units(1).seconds for _ in range(turns)))
    where = "one core" if ranks == 1 else f"{ranks} cores"
    for name in names:
        goal = GOALS.get(name) if ranks == 1 else None
        yield speedup(
            f"round {case.name} {name}, {where}",
            ours,
            others[name],
            goal,
            f"{federation.cohort} of {federation.clients} clients a round, "
            f"{federation.images} images each, batch {federation.batch}: {name} over "
            "harmofl",
        )


@dataclass(frozen=True)
class Peer:
    """A program that harmofl is compared to."""

    name: str
    script: str  # in bench/peers
    options: dict = field(default_factory=dict)


@dataclass(frozen=True)
class Group:
    """Peers that wait beside one another, and the Python modules that they need."""

    modules: tuple
    peers: tuple


# Flower's background processes would disturb what others are timed for.
GROUPS = (
    Group(
        (),
        (
            Peer("bare loop", "round_bare.py"),
            Peer("bare loop in channels_last", "round_bare.py", {"layout": "channels-last"}),
        ),
    ),
    Group(("pfl",), (Peer("pfl", "round_pfl.py"),)),
    Group(("flwr", "ray"), (Peer("Flower", "round_flower.py"),)),
)
GOALS = {"bare loop": ">= 1.8", "pfl": ">= 2.2", "Flower": ">= 4"}


def peers_of(case, group, ranks):
    """Rows of one group of peers."""
    peers = group.peers if ranks == 1 else group.peers[:1]
    python, environment = peer_python(*group.modules)
    if python is None:
        for peer in peers:
            yield missing(f"round {case.name} {peer.name}", environment, GOALS.get(peer.name))
        return
    with contextlib.ExitStack() as stack:
        started = []
        for peer in peers:
            options, processes = peer.options, ranks
            if peer.name == "Flower":  # its own workers, under one process
                options = {"workers": ranks, "rounds": 3 + case.rounds * case.repeats}
                processes = 1
            started.append(
                stack.enter_context(case.peer(peer.script, python, environment, ranks, processes, **options))
            )
        yield from compare(case, ranks, [peer.name for peer in peers], started)
    end_leftovers()


def two_ranks(case):
    """The same total work on two ranks and on one."""
    two, one = [], []
    for _ in range(case.repeats):
        two.append(seconds_of(case.harmofl(2)))
        one.append(seconds_of(case.harmofl(1)))
    yield speedup(
        f"round {case.name} two ranks",
        two,
        one,
        ">= 1.9",
        "harmofl on one rank over harmofl on two, the same work in all",
    )


def round_(quick, folder):
    for federation in QUICK if quick else chosen(CASES):
        case = Case(folder, federation, quick)
        case.learn(case.harmofl(1))
        for group in GROUPS:
            for ranks in (2,) if quick and group.modules else (1, 2):
                yield from peers_of(case, group, ranks)
        yield from two_ranks(case)
