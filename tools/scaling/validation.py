# SPDX-License-Identifier: Apache-2.0
"""How wrong a prediction is where runs were measured: on the measured machine itself."""

from dataclasses import asdict

from . import tables, workload
from .analysis import cores_for, spread
from .projector import rounds_to_replay

LOCAL_LATENCY_S = 1e-6  # assumed between ranks of the measured machine; its bandwidth is fitted
LOCAL_BANDWIDTH = 5e9  # where it cannot be: no runs on two ranks, or they took no longer


def local_machine(study, by_ranks, costs):
    """The measured machine, its bandwidth by what two ranks add to the time of aggregation."""
    bandwidth, fitted = LOCAL_BANDWIDTH, False
    if 2 in by_ranks:
        moved = spread(by_ranks[2], lambda one: one.mean["aggregate"]).median - costs.server
        if moved > 2 * LOCAL_LATENCY_S:
            bandwidth, fitted = costs.message_bytes / (moved - LOCAL_LATENCY_S), True
    return {
        "topology": "host",
        "cores": study.machine["cores"],
        "ranks_a_host": max(study.ranks),
        "core_speed": 1.0,
        "host_bandwidth": bandwidth,
        "host_latency": LOCAL_LATENCY_S,
        "allreduce": "rdb",
    }, fitted


def clients_on(study, runs_of_one, ranks):
    """Clients of the study's federation on so many ranks."""
    clients = len(workload.seconds_of_clients(runs_of_one))
    return clients * ranks if study.kind == "weak" else clients


def validate(study, by_ranks, costs, machine, projector):
    """For each number of ranks that was run, the measured seconds a round beside two projections:
    `from_one_rank`, a prediction from the times of clients on one rank, with ranks that share the
    cores; `from_same_ranks`, from the times of clients in those very runs, which hold what sharing
    did, so that only imbalance, communication and the rest are predicted."""
    found = []
    for ranks, runs in by_ranks.items():
        most = rounds_to_replay(ranks)
        if study.kind == "weak":
            clients = clients_on(study, by_ranks[1], ranks)
            predicted = workload.sampled_rounds(by_ranks[1], clients, ranks, costs, most)
        else:
            predicted = workload.measured_rounds(by_ranks[1], ranks, costs, most)
        unshared = {**machine, "cores": max(ranks, cores_for(study, ranks))}
        measured = spread(runs, lambda one: one.seconds)
        row = {
            "ranks": ranks,
            "measured": asdict(measured),
            "from_one_rank": projector(machine, predicted),
            "from_same_ranks": projector(unshared, workload.measured_rounds(runs, ranks, costs, most)),
        }
        for name in ("from_one_rank", "from_same_ranks"):
            row[name]["error"] = row[name]["seconds"] / measured.median - 1
        found.append(row)
    return found


def text_of(rows):
    """The table that people read."""
    heading = ["ranks", "measured s", "from 1 rank s", "error", "from same ranks s", "error"]
    return tables.render(
        heading,
        [
            [
                str(row["ranks"]),
                f"{row['measured']['median']:.4f} ({row['measured']['least']:.4f}-"
                f"{row['measured']['most']:.4f})",
                *(
                    text
                    for name in ("from_one_rank", "from_same_ranks")
                    for text in (f"{row[name]['seconds']:.4f}", f"{100 * row[name]['error']:+.1f} %")
                ),
            ]
            for row in rows
        ],
    )
