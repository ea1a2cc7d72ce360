# SPDX-License-Identifier: Apache-2.0
"""Compares a simulation with the tensors of a checkpoint and prints what it finds."""

import math

from .networks import is_counter
from .tensors import buffer_error, unflatten, update_error, vector_error


class Report:
    """Prints a line for each thing compared and keeps whether all agree."""

    def __init__(self, tolerance):
        self.tolerance = tolerance
        self.agrees = True

    def line(self, title, errors):
        """The worst of some errors; one that is not finite is the worst."""
        worst = math.nan if any(map(math.isnan, errors)) else max(errors)
        good = worst <= self.tolerance
        self.agrees &= good
        verdict = "ok" if good else f"above {self.tolerance:g}"
        print(f"{title:<38} {worst:.3e}  {verdict}")

    def difference(self, title, text):
        self.agrees = False
        print(f"{title:<38} {text}")


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
                name: tensor
                for name, tensor in expected.items()
                if name in got or not is_counter(name)
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

    def present(self, kind, expected_by_site):
        """Whether each side has the kind at every site, or neither at any; says so if not."""
        present = True
        for site, expected in expected_by_site.items():
            got = kind in self.checkpoint.clients.get(site, {})
            if got != expected:
                text = "is not expected" if got else "is missing in the checkpoint"
                self.report.difference(f"{kind} of {site}", text)
                present = False
            present &= expected
        return present

    def client_vectors(self, kind):
        clients = self.simulation.clients
        if not self.present(kind, {c.site.name: kind in c.vectors for c in clients}):
            return
        pairs = [(self.checkpoint.clients[c.site.name][kind], c.vectors[kind]) for c in clients]
        self.vectors(f"{kind} of the clients", pairs)

    def vectors(self, title, pairs):
        if any(got.shape != expected.shape for got, expected in pairs):
            self.report.difference(title, "is of another length")
            return
        self.report.line(title, [vector_error(got, expected) for got, expected in pairs])

    def client_models(self, kind):
        """Flat models: all parameters, then those buffers of the network that /model holds. The
        running amplitude belongs to the layer in front of it."""
        clients = self.simulation.clients
        if not self.present(kind, {c.site.name: kind in c.models for c in clients}):
            return
        pairs = []
        for client in clients:
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
            expected = self.simulation.local_state(client)
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


def compare(simulation, checkpoint, tolerance):
    """Prints all comparisons; returns whether each is within the tolerance."""
    report = Report(tolerance)
    Comparison(simulation, checkpoint, report).run()
    return report.agrees
