# SPDX-License-Identifier: Apache-2.0
"""Who takes part in a round and what becomes of everyone, by docs/guides/heterogeneity.md."""

import csv
import dataclasses
import math
import sys

from .random_numbers import Stream
from .settings import InputError

PROPERTIES = {  # usual value of each, in the order of their draws
    "speed": 1.0,
    "bandwidth": math.inf,
    "latency": 0.0,
    "availability": 1.0,
}
COLUMNS = {
    "speed": "speed",
    "bandwidth": "bandwidth_mbit_s",
    "latency": "latency_s",
    "availability": "availability",
}


@dataclasses.dataclass
class Plan:
    """The clients of a round, by their numbers; `lost` has the reason of each who is."""

    counted: list
    wasted: list
    lost: dict
    seconds: float

    def trained(self):
        return sorted(self.counted + self.wasted)


def draw(text, stream):
    """A number of the distribution that the text describes."""
    name, _, list_ = text.rpartition(":")
    numbers = [float(number) for number in list_.split(",")]
    if name in ("", "const"):
        return numbers[0]
    if name == "uniform":
        return numbers[0] + (numbers[1] - numbers[0]) * stream.uniform()
    if name == "lognormal":
        drawn = math.exp(numbers[0] + numbers[1] * stream.normal())
        return min(max(drawn, sys.float_info.min), sys.float_info.max)
    if name == "choice":
        return numbers[stream.below(len(numbers))]
    raise InputError(f"the distribution {text} is unknown here")


class Fleet:
    """The devices of all clients."""

    def __init__(self, settings, names):
        self.settings = settings
        self.devices = [dict(PROPERTIES) for _ in names]
        texts = {name: getattr(settings, f"fleet_{name}") for name in PROPERTIES}
        # The rounds -1, -2, ... belong to the properties.
        for place, name in enumerate(PROPERTIES):
            for client, device in enumerate(self.devices):
                if texts[name]:
                    stream = Stream(settings.run_seed, -1 - place, client, "fleet")
                    device[name] = draw(texts[name], stream)
        if settings.fleet_table:
            self.read(settings.fleet_table, names)
        others = (
            settings.fleet_table,
            settings.fleet_sample_time,
            settings.fleet_deadline,
            settings.fleet_drop_before,
            settings.fleet_drop_after,
        )
        self.active = any(texts.values()) or any(others)

    def read(self, path, names):
        try:
            with open(path, newline="", encoding="utf-8") as file:
                rows = list(csv.DictReader(file))
        except OSError as error:
            raise InputError(f"{path}: {error}") from None
        for row in rows:
            device = self.devices[names.index(row["client"])]
            for name, column in COLUMNS.items():
                if row.get(column):
                    device[name] = float(row[column])


class Planner:
    """Plans rounds from the settings, the names of the clients and the images that each of them
    trains on in a round, with repetition."""

    def __init__(self, settings, names, images):
        self.settings = settings
        self.fleet = Fleet(settings, names)
        self.images = images
        count = len(names)
        self.wanted = min(settings.cohort_size, count) or count
        # 50 x 1.1 is a little above 55 in binary
        exact = self.wanted * settings.cohort_over_sampling
        self.invited = min(math.ceil(exact * (1 - 1e-12)), count)

    def plan(self, round_index, message_bytes):
        chances = [self.chances(round_index, client) for client in range(len(self.images))]
        invited, lost = self.invite(round_index, chances)
        if not self.fleet.active and len(invited) <= self.wanted:
            return Plan(invited, [], {}, 0.0)
        return self.finish(invited, lost, chances, message_bytes)

    def chances(self, round_index, client):
        """Draws of a client for: being there, being lost before, after; its order among equals."""
        stream = Stream(self.settings.run_seed, round_index, client, "fleet")
        return [stream.uniform() for _ in range(4)]

    def invite(self, round_index, chances):
        """Rules 1 and 2."""
        everyone = range(len(self.images))
        there = [c for c in everyone if chances[c][0] < self.fleet.devices[c]["availability"]]
        fixed = self.settings.cohort_sampling == "fixed"
        if not fixed and self.invited < len(everyone):
            return sorted(self.smallest(round_index, there)), {}
        by_name = self.smallest(0, everyone)
        lost = {c: "unavailable" for c in by_name if c not in there}
        return sorted(c for c in by_name if c in there), lost

    def smallest(self, round_index, clients):
        """Those with the smallest keys: u, or -ln(1 - u) / n, which orders as u^(1/n) does."""

        def key(client):
            stream = Stream(self.settings.run_seed, round_index, client, "cohort")
            u = stream.uniform()
            if self.settings.cohort_sampling != "weighted":
                return u
            samples = self.images[client]
            return -math.log1p(-u) / samples if samples else math.inf

        return sorted(clients, key=key)[: self.invited]

    def message_seconds(self, client, size):
        device = self.fleet.devices[client]
        return device["latency"] + size * 8 / (device["bandwidth"] * 1e6)

    def report_seconds(self, client, size):
        """Rule 4."""
        training = self.images[client] * self.settings.fleet_sample_time
        training /= self.fleet.devices[client]["speed"]
        return self.message_seconds(client, size) + training + self.message_seconds(client, size)

    def finish(self, invited, lost, chances, size):
        """Rules 3 and 5 to 8."""
        settings = self.settings
        needed = min(self.wanted, len(invited))
        runners, failed = [], 0.0
        for client in invited:
            seconds = self.report_seconds(client, size)
            if chances[client][1] < settings.fleet_drop_before:
                lost[client] = "dropped_before"
                failed = max(failed, self.message_seconds(client, size))
            elif 0 < settings.fleet_deadline < seconds:
                lost[client] = "straggler"
            else:
                runners.append((seconds, chances[client][3], client))
        counted, wasted, end = [], [], 0.0
        for seconds, _, client in sorted(runners):
            if len(counted) == needed:
                lost[client] = "surplus"
                continue
            end = seconds
            if chances[client][2] < settings.fleet_drop_after:
                lost[client] = "dropped_after"
                wasted.append(client)
            else:
                counted.append(client)
        if len(counted) < needed:
            end = settings.fleet_deadline or max(end, failed)
        return Plan(sorted(counted), sorted(wasted), lost, end)
