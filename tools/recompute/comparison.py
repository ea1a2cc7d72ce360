# SPDX-License-Identifier: Apache-2.0
"""Compares a simulation with the tensors of a checkpoint and prints what it finds."""

import math

import torch

from .networks import is_counter
from .tensors import buffer_error, unflatten, update_error, vector_error


class Report:
    """Prints a line for each thing compared and keeps whether all agree, and the worst error."""

    def __init__(self, tolerance, quiet=False):
        self.tolerance = tolerance
        self.quiet = quiet
        self.agrees = True
        self.worst = 0.0

    def line(self, title, errors):
        """The worst of some errors; one that is not finite is the worst."""
        worst = math.nan if any(map(math.isnan, errors)) else max(errors)
        good = worst <= self.tolerance
        self.agrees &= good
        self.worst = worst if math.isnan(worst) else max(self.worst, worst)
        verdict = "ok" if good else f"above {self.tolerance:g}"
        self.say(f"{title:<38} {worst:.3e}  {verdict}")

    def difference(self, title, text):
        self.agrees = False
        self.worst = math.inf
        self.say(f"{title:<38} {text}")

    def say(self, text):
        if not self.quiet:
            print(text)


class Comparison:
    """Compares a simulation with the tensors of a checkpoint."""

    def __init__(self, simulation, checkpoint, report):
        self.simulation = simulation
        self.initial = simulation.initial
        self.checkpoint = checkpoint
        self.report = report
        self.parameters = set(simulation.order)

    def run(self):
        self.check_layout()
        self.models("global model", [(self.checkpoint.model, self.simulation.global_state())])
        for kind in ("scaffold.c", "feddyn.h"):
            self.client_vectors(kind)
        for kind in ("moon.previous", "ditto.personal"):
            self.client_models(kind)
        self.local_tensors()
        self.server_vectors()

    def check_layout(self):
        """/model has exactly the tensors that the network has; counters may be left out."""
        own = {**self.simulation.state, **self.simulation.extra_buffers()}
        left_out = self.simulation.local_names | {name for name in own if is_counter(name)}
        for name in sorted(own.keys() - left_out - self.checkpoint.model.keys()):
            self.report.difference(f"/model/{name}", "is missing in the checkpoint")
        for name in sorted(self.checkpoint.model.keys() - own.keys()):
            self.report.difference(f"/model/{name}", "is not expected")

    def models(self, title, pairs):
        """Parameters and buffers of some models; pairs of got and expected, tensors by name."""
        updates, buffers = [], []
        for got, expected in pairs:
            wanted = {
                name: tensor for name, tensor in expected.items() if name in got or not is_counter(name)
            }
            lost = [name for name in wanted if not self.same_shape(got, wanted, name)]
            if lost:
                self.report.difference(title, f"{lost[0]} is missing or of another shape")
                return
            learned = {name: wanted[name] for name in wanted if name in self.parameters}
            others = {name: wanted[name] for name in wanted if name not in self.parameters}
            if learned:
                updates.append(update_error(got, learned, self.initial))
            if others:
                buffers.append(buffer_error(got, others))
        if updates:
            self.report.line(f"{title}: parameters", updates)
        if buffers:
            self.report.line(f"{title}: buffers", buffers)

    @staticmethod
    def same_shape(got, expected, name):
        return name in got and got[name].shape == expected[name].shape

    def holders(self, kind, kept):
        """The clients that keep the kind; says so of each that does or does not against what is
        expected. `kept` gives a client's own tensors."""
        found = []
        for client in self.simulation.clients:
            name = client.site.name
            got, expected = kind in self.checkpoint.clients.get(name, {}), kind in kept(client)
            if got != expected:
                text = "is not expected" if got else "is missing in the checkpoint"
                self.report.difference(f"{kind} of {name}", text)
            elif got:
                found.append(client)
        return found

    def client_vectors(self, kind):
        clients = self.holders(kind, lambda client: client.vectors)
        pairs = [(self.checkpoint.clients[c.site.name][kind], c.vectors[kind]) for c in clients]
        if pairs:
            self.vectors(f"{kind} of the clients", pairs)

    def vectors(self, title, pairs):
        if any(got.shape != expected.shape for got, expected in pairs):
            self.report.difference(title, "is of another length")
            return
        self.report.line(title, [vector_error(got, expected) for got, expected in pairs])

    def client_models(self, kind):
        """Flat models: all parameters, then those buffers of the network that /model holds. The
        running amplitude belongs to the layer in front of it."""
        pairs = []
        for client in self.holders(kind, lambda client: client.models):
            own = client.models[kind]
            expected = {name: own[name] for name in self.checkpoint.order if name in own}
            vector = self.checkpoint.clients[client.site.name][kind]
            if vector.numel() != sum(tensor.numel() for tensor in expected.values()):
                self.report.difference(f"{kind} of {client.site.name}", "is of another length")
                return
            pairs.append((unflatten(vector, list(expected), expected), expected))
        self.models(f"{kind} of the clients", pairs)

    def local_tensors(self):
        """What stays at the sites, stored as local.<name>."""
        pairs = []
        for client in self.simulation.clients:
            tensors = self.checkpoint.clients.get(client.site.name, {})
            got = {k[6:]: tensor for k, tensor in tensors.items() if k.startswith("local.")}
            expected = client.local
            for name in sorted(got.keys() - expected.keys()):
                self.report.difference(f"local.{name} of {client.site.name}", "is not expected")
            pairs.append((got, expected))
        self.models("local tensors of the clients", pairs)

    def server_vectors(self):
        own = self.simulation.method.server
        for name in sorted(own.keys() | self.checkpoint.server.keys()):
            if name not in self.checkpoint.server:
                self.report.difference(f"{name} of the server", "is missing in the checkpoint")
            elif name not in own:
                self.report.difference(f"{name} of the server", "is not expected")
            else:
                self.vectors(f"{name} of the server", [(self.checkpoint.server[name], own[name])])


class AsCheckpoint:
    """What a checkpoint would hold of a simulation; `order` is that of a checkpoint of the run."""

    def __init__(self, simulation, order):
        self.order = order
        self.model = simulation.global_state()
        self.server = simulation.method.server
        self.clients = {client.site.name: self.tensors(client) for client in simulation.clients}

    def tensors(self, client):
        models = {
            kind: torch.cat([own[name].reshape(-1) for name in self.order if name in own])
            for kind, own in client.models.items()
        }
        local = {f"local.{name}": tensor for name, tensor in client.local.items()}
        return {**client.vectors, **models, **local}


def movement(simulation, others, order):
    """The largest error of what the others have come to, as if they were checkpoints."""
    report = Report(math.inf, quiet=True)
    for other in others:
        Comparison(simulation, AsCheckpoint(other, order), report).run()
    return report.worst


def compare_rounds(plans, lines, report):
    """What rounds.jsonl says of who took part, and how long the devices would have taken."""
    if len(lines) != len(plans):
        report.difference("rounds.jsonl", f"has {len(lines)} rounds, not {len(plans)}")
        return
    errors = [0.0]
    for number, (plan, line) in enumerate(zip(plans, lines)):
        lost = {}
        for reason in plan.lost.values():
            lost[reason] = lost.get(reason, 0) + 1
        trained = len(plan.trained()) + lost.get("not_finite", 0)
        expected = {"clients": trained, "counted": len(plan.counted), "lost": lost}
        for name, value in expected.items():
            if line[name] != value:
                text = f"{line[name]}, not {value}"
                report.difference(f"{name} of round {number} in rounds.jsonl", text)
        seconds = line["simulated_seconds"]
        errors.append(abs(seconds - plan.seconds) / max(plan.seconds, 1e-300))
    report.line("rounds.jsonl: simulated seconds", errors)


def compare(simulation, checkpoint, rounds, tolerance):
    """Prints all comparisons; returns whether each is within the tolerance."""
    report = Report(tolerance)
    Comparison(simulation, checkpoint, report).run()
    compare_rounds(simulation.rounds, rounds, report)
    return report.agrees
