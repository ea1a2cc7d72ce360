# SPDX-License-Identifier: Apache-2.0
"""Machines as small JSON files, and as the XML that SimGrid reads.

Keys of every machine: `topology`; `cores` of a host; `ranks_a_host`; `core_speed` relative to a
core of the machine that was measured; `host_bandwidth` (bytes/s) and `host_latency` (s) between
ranks of one host; `allreduce`, SimGrid's name of the algorithm. A network has `link_bandwidth`
(bytes/s) and `link_latency` (s) of each link, and

  fat-tree   `levels`, from the hosts up: [children, parents, links between] of a node's next switch
  dragonfly  `groups`, `chassis` (of a group), `routers` (of a chassis): [number, links between];
             `hosts_a_router`
  host       nothing: one host without a network
"""

import json
from math import prod

from .study import StudyError

FLOPS = 1e9  # a second of the measured machine's core in a trace

COMMON = {"topology", "cores", "ranks_a_host", "core_speed", "host_bandwidth", "host_latency", "allreduce"}
NETWORK = {"link_bandwidth", "link_latency"}
KEYS = {
    "fat-tree": COMMON | NETWORK | {"levels"},
    "dragonfly": COMMON | NETWORK | {"groups", "chassis", "routers", "hosts_a_router"},
    "host": COMMON,
}


def check(machine, name):
    """Raises StudyError for a machine that cannot be, or that SimGrid cannot route."""
    topology = machine.get("topology")
    if topology not in KEYS:
        raise StudyError(f"{name}: topology {topology!r} is unknown. Known: {', '.join(KEYS)}.")
    wrong = KEYS[topology] ^ set(machine)
    if wrong:
        key = min(wrong)
        verb = "is unknown" if key in machine else "is missing"
        raise StudyError(
            f"{name}: key {key!r} {verb}. A {topology} has: {', '.join(sorted(KEYS[topology]))}."
        )
    # SimGrid 3.32 looks for the link to group g at router g of a chassis, and crashes without one.
    if topology == "dragonfly" and machine["groups"][0] > machine["routers"][0]:
        raise StudyError(
            f"{name}: {machine['groups'][0]} groups, but a chassis has only "
            f"{machine['routers'][0]} routers. SimGrid needs a router for each group."
        )


def read_machine(path):
    """Reads and checks a machine's JSON file."""
    try:
        machine = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise StudyError(f"{path}: cannot be read as JSON: {error}") from None
    check(machine, path)
    return machine


def hosts_of(machine):
    """How many hosts a machine has."""
    if machine["topology"] == "fat-tree":
        return prod(level[0] for level in machine["levels"])
    if machine["topology"] == "dragonfly":
        return prod(machine[name][0] for name in ("groups", "chassis", "routers")) * machine["hosts_a_router"]
    return 1


def topology_parameters(machine):
    """SimGrid's topo_parameters."""
    if machine["topology"] == "dragonfly":
        parts = [",".join(map(str, machine[name])) for name in ("groups", "chassis", "routers")]
        return ";".join([*parts, str(machine["hosts_a_router"])])
    columns = zip(*machine["levels"])
    return ";".join([str(len(machine["levels"])), *(",".join(map(str, c)) for c in columns)])


def cluster_xml(machine):
    speed = machine["core_speed"] * FLOPS
    return (
        f'<cluster id="machine" prefix="host-" suffix="" radical="0-{hosts_of(machine) - 1}" '
        f'speed="{speed:.17g}f" core="{machine["cores"]}" '
        f'bw="{machine["link_bandwidth"]:.17g}Bps" lat="{machine["link_latency"]:.17g}s" '
        f'loopback_bw="{machine["host_bandwidth"]:.17g}Bps" '
        f'loopback_lat="{machine["host_latency"]:.17g}s" '
        f'topology="{machine["topology"].upper().replace("-", "_")}" '
        f'topo_parameters="{topology_parameters(machine)}"/>'
    )


def host_xml(machine):
    speed = machine["core_speed"] * FLOPS
    return (
        f'<zone id="machine" routing="Full">'
        f'<host id="host-0" speed="{speed:.17g}f" core="{machine["cores"]}"/>'
        f'<link id="memory" bandwidth="{machine["host_bandwidth"]:.17g}Bps" '
        f'latency="{machine["host_latency"]:.17g}s" sharing_policy="FATPIPE"/>'
        f'<route src="host-0" dst="host-0"><link_ctn id="memory"/></route></zone>'
    )


def to_xml(machine):
    """The machine as a platform file of SimGrid."""
    body = host_xml(machine) if machine["topology"] == "host" else cluster_xml(machine)
    return (
        "<?xml version='1.0'?>\n"
        '<!DOCTYPE platform SYSTEM "https://simgrid.org/simgrid.dtd">\n'
        f'<platform version="4.1">\n{body}\n</platform>\n'
    )


def host_of_rank(machine, rank):
    """Ranks fill one host after the other."""
    return f"host-{rank // machine['ranks_a_host']}"


def check_room(machine, ranks, name):
    room = hosts_of(machine) * machine["ranks_a_host"]
    if ranks > room:
        raise StudyError(
            f"{name}: has room for {room} ranks, not for {ranks}. Ask for fewer with "
            "--ranks, or describe a larger machine."
        )
