# SPDX-License-Identifier: Apache-2.0
"""What the runs of a study say: times by number of ranks, speed-up, efficiency, and where the rest
of the time went."""

from dataclasses import dataclass
from statistics import median

from . import bounds
from .records import PHASES, read_run, times_by_client
from .study import StudyError, run_folder


@dataclass
class Spread:
    """Median of the repeated runs, each counted by the median of its rounds, and their range."""

    median: float
    least: float
    most: float


def spread(runs, value):
    """Of `value(round)`: the median over a run's rounds, then over the runs."""
    medians = [median(value(one) for one in run.rounds) for run in runs]
    return Spread(median(medians), min(medians), max(medians))


@dataclass
class RankCount:
    """All runs on one number of ranks, in seconds a round."""

    ranks: int
    runs: int
    rounds: int  # counted, of all runs
    clients: float  # that trained in a round
    seconds: Spread
    phases: dict  # phase -> Spread, means over ranks
    imbalance: Spread
    speed_up: Spread
    efficiency: Spread
    bound: float  # K / ceil(K / P)
    longest_first_bound: float  # for the measured times of clients, on the cores that there are
    sent_bytes: float  # a client and round
    peak_memory_bytes: float


def read_runs(folder, study):
    """The runs that are there, by number of ranks: {ranks: [Run]}."""
    found = {}
    for ranks in sorted(study.ranks):
        folders = [run_folder(folder, ranks, i + 1) for i in range(study.repeat)]
        runs = [read_run(one, study.warm_up) for one in folders if (one / "summary.json").exists()]
        if not runs:
            raise StudyError(
                f"{folder}: no run on {ranks} ranks has ended. Let `tools/scaling.py "
                "run` finish (with Slurm: its jobs), or look at its logs."
            )
        found[ranks] = runs
    return found


def cores_for(study, ranks):
    """The cores that so many ranks compute on: a Slurm job has one for each rank."""
    return min(ranks, study.machine["cores"]) if study.launcher == "mpirun" else ranks


def work_ratio(study, ranks, base):
    """How much more work so many ranks were given than `base` ranks."""
    return ranks / base if study.kind == "weak" else 1.0


def client_costs(runs):
    """The median seconds of each client, of the runs on one number of ranks."""
    return [median(times) for times in times_by_client(runs).values()]


def speed_up_of(study, runs, base_runs, base):
    """Work done a second relative to the fewest ranks, which count as their number: base for base
    ranks. Its range is that of the runs against the median of the base."""
    ranks, seconds = runs[0], spread(runs[1], lambda one: one.seconds)
    start = spread(base_runs, lambda one: one.seconds).median * base
    ratio = start * work_ratio(study, ranks, base)
    return Spread(ratio / seconds.median, ratio / seconds.most, ratio / seconds.least)


def analyse(study, by_ranks):
    """The RankCount of every number of ranks that was run, in rising order."""
    base = min(by_ranks)
    return [count_of(study, ranks, runs, by_ranks[base], base) for ranks, runs in by_ranks.items()]


def count_of(study, ranks, runs, base_runs, base):
    """What the runs on one number of ranks say, against those on the fewest."""
    rounds = [one for run in runs for one in run.rounds]
    clients = median(one.clients for one in rounds)
    speed_up = speed_up_of(study, (ranks, runs), base_runs, base)
    costs = client_costs(base_runs) if study.kind == "strong" else client_costs(runs)
    return RankCount(
        ranks=ranks,
        runs=len(runs),
        rounds=len(rounds),
        clients=clients,
        seconds=spread(runs, lambda one: one.seconds),
        phases={name: spread(runs, lambda one, name=name: one.mean[name]) for name in PHASES},
        imbalance=spread(runs, lambda one: one.imbalance),
        speed_up=speed_up,
        efficiency=Spread(speed_up.median / ranks, speed_up.least / ranks, speed_up.most / ranks),
        bound=bounds.equal_clients_bound(round(clients), ranks),
        longest_first_bound=bounds.longest_first_bound(costs, ranks, cores_for(study, ranks)),
        sent_bytes=median(one.sent_bytes for one in rounds),
        peak_memory_bytes=max(one.peak_memory_bytes for one in rounds),
    )
