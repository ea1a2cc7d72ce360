"""Predicted rounds on a machine, and how wrong the prediction is where runs were measured."""

import contextlib
import pathlib
import tempfile
import time
from dataclasses import asdict
from statistics import median

from . import bounds, platforms, replay, tables, workload
from .analysis import cores_for, spread
from .study import StudyError

ROUNDS = 40        # replayed at most
RANK_ROUNDS = 4096  # ranks times rounds that are replayed at most (but one round always)
LOCAL_LATENCY_S = 1e-6  # assumed between ranks of the measured machine; its bandwidth is fitted
LOCAL_BANDWIDTH = 5e9   # where it cannot be: no runs on two ranks, or they took no longer


def rounds_to_replay(ranks):
    return max(1, min(ROUNDS, RANK_ROUNDS // ranks))


def summary_of(rounds):
    """Medians over replayed rounds, in seconds."""
    return {
        "seconds": median(one.seconds for one in rounds),
        "train": median(one.mean["train"] for one in rounds),
        "imbalance": median(one.longest["train"] - one.mean["train"] for one in rounds),
        "communication": median(one.communication for one in rounds),
        "server": median(one.mean["server"] for one in rounds),
        "rest": median(one.longest["rest"] for one in rounds),
    }


class Projector:
    """Replays work on machines, in numbered folders below one."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.count = 0

    def __call__(self, machine, rounds, steady=None):
        """The summary of these rounds, and the seconds of the `steady` round if there is one."""
        self.count += 1
        start = time.monotonic()
        replayed = replay.replay(self.folder / f"{self.count:03}", machine,
                                 rounds + ([steady] if steady else []))
        found = {**summary_of(replayed[:len(rounds)]), "rounds": len(rounds),
                 "replay_seconds": round(time.monotonic() - start, 2)}
        if steady:
            found["steady_seconds"] = replayed[-1].seconds
        return found


def local_machine(study, by_ranks, costs):
    """The measured machine, its bandwidth by what two ranks add to the time of aggregation."""
    bandwidth, fitted = LOCAL_BANDWIDTH, False
    if 2 in by_ranks:
        moved = spread(by_ranks[2], lambda one: one.mean["aggregate"]).median - costs.server
        if moved > 2 * LOCAL_LATENCY_S:
            bandwidth, fitted = costs.message_bytes / (moved - LOCAL_LATENCY_S), True
    return {"topology": "host", "cores": study.machine["cores"],
            "ranks_a_host": max(study.ranks), "core_speed": 1.0, "host_bandwidth": bandwidth,
            "host_latency": LOCAL_LATENCY_S, "allreduce": "rdb"}, fitted


def clients_on(study, runs_of_one, ranks):
    """Clients of the study's federation on so many ranks."""
    clients = len(workload.seconds_of_clients(runs_of_one))
    return clients * ranks if study.kind == "weak" else clients


def validate(study, by_ranks, costs, machine, projector):
    """For each number of ranks that was run, the measured seconds a round beside two projections:
    `from_one_rank`, a prediction from the times of clients on one rank, whose ranks share the cores;
    `from_same_ranks`, from the times of clients in those very runs, which hold what sharing did, so
    that only imbalance, communication and the rest are predicted."""
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
        row = {"ranks": ranks, "measured": asdict(measured),
               "from_one_rank": projector(machine, predicted),
               "from_same_ranks": projector(unshared,
                                            workload.measured_rounds(runs, ranks, costs, most))}
        for name in ("from_one_rank", "from_same_ranks"):
            row[name]["error"] = row[name]["seconds"] / measured.median - 1
        found.append(row)
    return found


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
        rows.append({"ranks": ranks, "clients": clients, "idle_ranks": max(0, ranks - clients),
                     "bound": bounds.equal_clients_bound(clients, ranks),
                     **projector(machine, rounds,
                                 workload.steady_round(runs, clients, ranks, costs))})
    return with_ratios(rows, growing=False)


def project_growing(runs, machine, options, costs, projector):
    """A federation with so many clients for each rank."""
    rows = []
    for ranks in [1, *(count for count in options.ranks if count > 1)]:
        clients = options.clients_a_rank * ranks
        rounds = workload.sampled_rounds(runs, clients, ranks, costs, rounds_to_replay(ranks))
        rows.append({"ranks": ranks, "clients": clients, "idle_ranks": 0,
                     "bound": float(ranks),
                     **projector(machine, rounds,
                                 workload.steady_round(runs, clients, ranks, costs))})
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
    costs = workload.costs_of(by_ranks[1], options.message_bytes)
    if costs.message_bytes <= 0:
        raise StudyError("the runs say nothing of the bytes that clients send: --message-bytes.")
    local, fitted = local_machine(study, by_ranks, workload.costs_of(by_ranks[1]))
    with folder_for(options.keep) as folder:
        projector = Projector(folder)
        return {
            "simgrid": version, "platform": options.platform.stem, "machine": machine,
            "local_machine": local, "local_bandwidth_fitted": fitted, "costs": asdict(costs),
            "validation": validate(study, by_ranks, workload.costs_of(by_ranks[1]), local, projector),
            "same": project_same(by_ranks[1], machine, options, costs, projector),
            "growing": project_growing(by_ranks[1], machine, options, costs, projector),
        }


def validation_text(rows):
    heading = ["ranks", "measured s", "from 1 rank s", "error", "from same ranks s", "error"]
    return tables.render(heading, [
        [str(row["ranks"]),
         f"{row['measured']['median']:.4f} ({row['measured']['least']:.4f}-"
         f"{row['measured']['most']:.4f})",
         *(text for name in ("from_one_rank", "from_same_ranks")
           for text in (f"{row[name]['seconds']:.4f}", f"{100 * row[name]['error']:+.1f} %"))]
        for row in rows])


def projected_text(rows):
    heading = ["ranks", "clients", "idle ranks", "seconds a round", "train", "imbalance",
               "communication", "speed-up", "steady", "bound", "efficiency", "steady"]
    return tables.render(heading, [
        [str(row["ranks"]), str(row["clients"]), str(row["idle_ranks"]), f"{row['seconds']:.4f}",
         f"{row['train']:.4f}", f"{row['imbalance']:.4f}", f"{row['communication']:.6f}",
         f"{row['speed_up']:.2f}", f"{row['steady_speed_up']:.2f}", f"{row['bound']:.2f}",
         f"{row['efficiency']:.3f}", f"{row['steady_efficiency']:.3f}"]
        for row in rows])


def text_of(result):
    """What people read."""
    return "\n\n".join([
        f"Measured and replayed on the measured machine ({result['local_machine']['cores']} cores)",
        validation_text(result["validation"]),
        f"The same federation on {result['platform']}, all-reduce {result['machine']['allreduce']}",
        projected_text(result["same"]),
        f"A federation that grows with the ranks on {result['platform']}",
        projected_text(result["growing"])])
