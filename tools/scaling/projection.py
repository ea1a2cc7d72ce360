# SPDX-License-Identifier: Apache-2.0
"""Predicted rounds on a machine: of one federation, and of one that grows with the ranks."""

import contextlib
import tempfile
from dataclasses import asdict

from . import bounds, platforms, replay, tables, validation, workload
from .projector import Projector, rounds_to_replay
from .study import StudyError


def with_ratios(rows, growing):
    """Adds speed-up and efficiency against the first row, that of one rank of the same machine."""
    for row in rows:
        work = row["ranks"] if growing else 1
        for name, seconds in (("", "seconds"), ("steady_", "steady_seconds")):
            row[f"{name}speed_up"] = rows[0][seconds] * work / row[seconds]
            row[f"{name}efficiency"] = row[f"{name}speed_up"] / row["ranks"]
    return rows


def project_same(runs, machine, options, costs, projector):
    """A federation that stays the same on more and more ranks; ranks without a client idle."""
    measured = len(workload.seconds_of_clients(runs))
    clients = options.clients or measured
    rows = []
    for ranks in [1, *(count for count in options.ranks if count > 1)]:
        count = rounds_to_replay(ranks)
        if clients == measured:
            rounds = workload.measured_rounds(runs, ranks, costs, count)
        else:
            rounds = workload.sampled_rounds(runs, clients, ranks, costs, count)
        rows.append(
            {
                "ranks": ranks,
                "clients": clients,
                "idle_ranks": max(0, ranks - clients),
                "bound": bounds.equal_clients_bound(clients, ranks),
                **projector(machine, rounds, workload.steady_round(runs, clients, ranks, costs)),
            }
        )
    return with_ratios(rows, growing=False)


def project_growing(runs, machine, options, costs, projector):
    """A federation with so many clients for each rank."""
    rows = []
    for ranks in [1, *(count for count in options.ranks if count > 1)]:
        clients = options.clients_a_rank * ranks
        rounds = workload.sampled_rounds(runs, clients, ranks, costs, rounds_to_replay(ranks))
        rows.append(
            {
                "ranks": ranks,
                "clients": clients,
                "idle_ranks": 0,
                "bound": float(ranks),
                **projector(machine, rounds, workload.steady_round(runs, clients, ranks, costs)),
            }
        )
    return with_ratios(rows, growing=True)


@contextlib.contextmanager
def folder_for(keep):
    """Where traces go: a folder that is kept, or one that is removed."""
    if keep:
        keep.mkdir(parents=True, exist_ok=True)
        yield keep
        return
    with tempfile.TemporaryDirectory(prefix="harmofl-replay-") as folder:
        yield folder


def project(study, by_ranks, options):
    """The whole projection as one object of numbers, strings and lists."""
    version = replay.smpirun_version()
    machine = platforms.read_machine(options.platform)
    platforms.check_room(machine, max(options.ranks), options.platform)
    if 1 not in by_ranks:
        raise StudyError("a projection starts from runs on one rank: add 1 to --ranks of `run`.")
    measured = workload.costs_of(by_ranks[1])
    costs = workload.costs_of(by_ranks[1], options.message_bytes)
    if costs.message_bytes <= 0:
        raise StudyError("the runs say nothing of the bytes that clients send: --message-bytes.")
    local, fitted = validation.local_machine(study, by_ranks, measured)
    with folder_for(options.keep) as folder:
        projector = Projector(folder)
        return {
            "simgrid": version,
            "platform": options.platform.stem,
            "machine": machine,
            "local_machine": local,
            "local_bandwidth_fitted": fitted,
            "costs": asdict(costs),
            "validation": validation.validate(study, by_ranks, measured, local, projector),
            "same": project_same(by_ranks[1], machine, options, costs, projector),
            "growing": project_growing(by_ranks[1], machine, options, costs, projector),
        }


def projected_text(rows):
    heading = [
        "ranks",
        "clients",
        "idle ranks",
        "seconds a round",
        "train",
        "imbalance",
        "communication",
        "speed-up",
        "steady",
        "bound",
        "efficiency",
        "steady",
    ]
    return tables.render(
        heading,
        [
            [
                str(row["ranks"]),
                str(row["clients"]),
                str(row["idle_ranks"]),
                f"{row['seconds']:.4f}",
                f"{row['train']:.4f}",
                f"{row['imbalance']:.4f}",
                f"{row['communication']:.6f}",
                f"{row['speed_up']:.2f}",
                f"{row['steady_speed_up']:.2f}",
                f"{row['bound']:.2f}",
                f"{row['efficiency']:.3f}",
                f"{row['steady_efficiency']:.3f}",
            ]
            for row in rows
        ],
    )


def text_of(result):
    """What people read."""
    return "\n\n".join(
        [
            f"Measured and replayed on the measured machine ({result['local_machine']['cores']} cores)",
            validation.text_of(result["validation"]),
            f"The same federation on {result['platform']}, all-reduce {result['machine']['allreduce']}",
            projected_text(result["same"]),
            f"A federation that grows with the ranks on {result['platform']}",
            projected_text(result["growing"]),
        ]
    )
