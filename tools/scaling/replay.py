# SPDX-License-Identifier: Apache-2.0
"""Lets SimGrid replay rounds: one trace a rank, times of every action from its log.

A trace is time-independent: it says how much is computed and sent, not when. What a link or a host
gives to each of several that use it at once is SimGrid's part. Its factors for Ethernet with TCP
are switched off, so that a link has the bandwidth and latency that the machine's file says.
"""

import os
import pathlib
import shutil
import signal
import subprocess
from dataclasses import dataclass

from . import platforms
from .study import StudyError

SMPIRUN = "smpirun"
BYTE = 6  # SimGrid's number of MPI_BYTE in traces
TIMEOUT_S = 3600
PLAIN_NETWORK = (
    "--cfg=smpi/bw-factor:0:1",
    "--cfg=smpi/lat-factor:0:1",
    "--cfg=network/weight-S:0",
    "--cfg=network/crosstraffic:0",
    "--cfg=network/TCP-gamma:0",
)
LOG = ("--log=root.thres:warning", "--log=smpi_replay.thres:verbose", "--log=root.fmt:%m%n")

# The actions of a round, in order: what it stands for, and what SimGrid calls it.
ACTIONS = (
    ("train", "compute"),
    ("wait", "barrier"),
    ("server", "compute"),
    ("allreduce", "allreduce"),
    ("rest", "compute"),
    ("gather", "gather"),
    ("agree", "allreduce"),
)
REPORT_BYTES = 64  # of a client's metrics, gathered by rank 0


@dataclass
class RoundWork:
    """What ranks do in one round: seconds of training, of each rank; seconds of the server's step,
    which every rank does; seconds of rank 0 after it; bytes that are summed over ranks; the most
    clients of a rank."""

    train: list
    server: float
    rest: float
    message_bytes: int
    clients_a_rank: int


@dataclass
class ReplayedRound:
    """Seconds of each action of a round: of rank 0, as mean and as the largest of the ranks. Rank 0
    waits for nobody once all have trained, so that what its messages take is all the network's."""

    first: dict
    mean: dict
    longest: dict

    @property
    def seconds(self):
        return sum(self.first.values())

    @property
    def communication(self):
        return self.first["allreduce"] + self.first["gather"] + self.first["agree"]


def smpirun_version():
    """SimGrid's version, or StudyError where it is missing."""
    if shutil.which(SMPIRUN) is None:
        raise StudyError(
            "smpirun: there is no such program. Install SimGrid: "
            "tools/install-deps.sh --cluster (Debian's libsimgrid-dev)."
        )
    done = subprocess.run([SMPIRUN, "-version"], capture_output=True, text=True, check=False)
    return done.stdout.strip()


def round_lines(rank, work):
    """One round of a rank as lines of its trace."""

    def compute(seconds):
        return f"compute {seconds * platforms.FLOPS:.17g}"

    report = REPORT_BYTES * max(1, work.clients_a_rank)
    actions = [
        compute(work.train[rank]),
        "barrier",
        compute(work.server),
        f"allreduce {work.message_bytes} 0 {BYTE}",
        compute(work.rest if rank == 0 else 0.0),
        f"gather {report} {report} 0 {BYTE} {BYTE}",
        f"allreduce 8 0 {BYTE}",
    ]
    return [f"{rank} {action}" for action in actions]


def write_traces(folder, rounds):
    """Writes a trace for each rank, and the list of them; returns the list's path."""
    folder = pathlib.Path(folder)
    ranks = len(rounds[0].train)
    (folder / "traces").mkdir(parents=True, exist_ok=True)
    paths = []
    for rank in range(ranks):
        lines = [f"{rank} init"]
        for work in rounds:
            lines += round_lines(rank, work)
        paths.append((folder / "traces" / f"rank-{rank:04}.txt").resolve())
        paths[-1].write_text("\n".join([*lines, f"{rank} finalize"]) + "\n", encoding="utf-8")
    listing = folder / "traces.txt"
    listing.write_text("".join(f"{path}\n" for path in paths), encoding="utf-8")
    return listing


def run_smpirun(command):
    """Returns its output; ends it with all its children when it takes too long."""
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )
    try:
        output, _ = process.communicate(timeout=TIMEOUT_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        raise StudyError(f"smpirun took more than {TIMEOUT_S} s: project to fewer ranks") from None
    if process.returncode != 0:
        raise StudyError(f"smpirun ended with status {process.returncode}: {output[-500:].strip()}")
    return output


def parse_actions(output, ranks):
    """Seconds of each rank's actions, in order: [rank][action]."""
    names = {name for _, name in ACTIONS}
    found = [[] for _ in range(ranks)]
    for line in output.splitlines():
        words = line.split()
        if len(words) >= 3 and words[0].isdigit() and words[1] in names:
            found[int(words[0])].append(float(words[-1]))
    return found


def rounds_of(actions):
    """Actions of ranks as rounds."""
    ranks = len(actions)
    for start in range(0, len(actions[0]), len(ACTIONS)):
        columns = {
            name: [actions[rank][start + i] for rank in range(ranks)] for i, (name, _) in enumerate(ACTIONS)
        }
        yield ReplayedRound(
            {name: column[0] for name, column in columns.items()},
            {name: sum(column) / ranks for name, column in columns.items()},
            {name: max(column) for name, column in columns.items()},
        )


def replay(folder, machine, rounds):
    """Replays rounds (of RoundWork, all on as many ranks) on a machine; returns ReplayedRounds."""
    folder = pathlib.Path(folder)
    ranks = len(rounds[0].train)
    listing = write_traces(folder, rounds)
    platform, hosts = folder / "platform.xml", folder / "hosts.txt"
    platform.write_text(platforms.to_xml(machine), encoding="utf-8")
    hosts.write_text(
        "".join(f"{platforms.host_of_rank(machine, rank)}\n" for rank in range(ranks)), encoding="utf-8"
    )
    output = run_smpirun(
        [
            SMPIRUN,
            "-no-privatize",
            "-np",
            str(ranks),
            "-platform",
            str(platform),
            "-hostfile",
            str(hosts),
            "-replay",
            str(listing),
            *PLAIN_NETWORK,
            *LOG,
            f"--cfg=smpi/allreduce:{machine['allreduce']}",
            "--cfg=smpi/gather:ompi_binomial",
        ]
    )
    actions = parse_actions(output, ranks)
    wanted = len(rounds) * len(ACTIONS)
    if any(len(one) != wanted for one in actions):
        raise StudyError(f"smpirun ended without replaying all of {ranks} traces: {output[-500:].strip()}")
    return list(rounds_of(actions))
