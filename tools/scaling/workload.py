# SPDX-License-Identifier: Apache-2.0
"""Measured times of clients as the work of ranks, for as many clients and ranks as are wanted."""

import random
from collections import Counter
from dataclasses import dataclass
from statistics import median

from . import bounds
from .records import times_by_client
from .replay import RoundWork
from .study import StudyError

SEED = 0  # of the draws; a projection is the same whenever it is made


@dataclass
class Costs:
    """What of a round does not depend on which client is trained, in seconds, from runs on one
    rank: around the clients of a rank, the server's step (aggregation without any communication),
    and what is neither, by client of the federation."""

    setup: float
    server: float
    rest_a_client: float
    message_bytes: int


def rounds_in_turn(runs):
    """The counted rounds of all runs: the first of each, the second of each, ..."""
    longest = max(len(run.rounds) for run in runs)
    return [run.rounds[i] for i in range(longest) for run in runs if i < len(run.rounds)]


def seconds_of_clients(runs):
    """All measured seconds of each client, clients in order of their names."""
    times = times_by_client(runs)
    if not times:
        raise StudyError(
            f"{runs[0].folder}/metrics.jsonl: has no train lines with seconds for the counted rounds."
        )
    return [times[client] for client in sorted(times)]


def costs_of(runs, message_bytes=None):
    """The Costs by runs on one rank."""
    rounds = rounds_in_turn(runs)
    return Costs(
        setup=median(
            max(0.0, one.mean["train"] + one.mean["input"] - sum(one.client_seconds.values()))
            for one in rounds
        ),
        server=median(one.mean["aggregate"] for one in rounds),
        rest_a_client=median(max(0.0, one.mean["rest"] + one.mean["place"]) / one.clients for one in rounds),
        message_bytes=round(message_bytes or median(one.sent_bytes for one in rounds)),
    )


def work_of(seconds, ranks, costs, typical=None):
    """A round in which clients take these seconds, dealt longest first by their typical ones."""
    owner = bounds.deal(typical or seconds, ranks)
    busy = bounds.loads(seconds, owner, ranks)
    most = max(Counter(owner).values())
    return RoundWork(
        train=[load + costs.setup for load in busy],
        server=costs.server,
        rest=costs.rest_a_client * len(seconds),
        message_bytes=costs.message_bytes,
        clients_a_rank=most,
    )


def measured_rounds(runs, ranks, costs, most):
    """At most so many of the measured rounds themselves, their clients dealt to `ranks`."""
    times = times_by_client(runs)
    typical = {client: median(seconds) for client, seconds in times.items()}
    rounds = []
    for one in rounds_in_turn(runs)[:most]:
        clients = sorted(one.client_seconds)
        rounds.append(
            work_of([one.client_seconds[c] for c in clients], ranks, costs, [typical[c] for c in clients])
        )
    return rounds


def sampled_rounds(runs, clients, ranks, costs, count):
    """Rounds of a federation of any number of clients like those measured: client i takes, in each
    round, a time drawn from those of measured client i mod K."""
    times = seconds_of_clients(runs)
    draw = random.Random(SEED)
    typical = [median(times[i % len(times)]) for i in range(clients)]
    return [
        work_of([draw.choice(times[i % len(times)]) for i in range(clients)], ranks, costs, typical)
        for _ in range(count)
    ]


def steady_round(runs, clients, ranks, costs):
    """The same, with every client at its median time: what is left of imbalance is that of whole
    clients on ranks, none that chance makes."""
    times = seconds_of_clients(runs)
    return work_of([median(times[i % len(times)]) for i in range(clients)], ranks, costs)
