# SPDX-License-Identifier: Apache-2.0
"""The methods that change the work of a client, and the table of all methods.

server_methods.py says what the symbols mean.
"""

import copy

import torch
from torch.nn import functional

from .local_step import local_step, make_optimizer
from .networks import norm_names
from .server_methods import FedAdagrad, FedAdam, FedAvg, FedAvgM, FedNova, FedYogi, participation
from .settings import InputError
from .tensors import flat_parameters, load, snapshot


class FedProx(FedAvg):
    needs = ("mu",)

    def extra_terms(self, client, model, images, features):
        # mu/2 ||w - w_t||^2
        distance = flat_parameters(model, self.order) - self.start
        return self.settings.algorithm_mu / 2 * distance.square().sum()


class FedBN(FedAvg):
    def local_names(self, model):
        return norm_names(model)


class Moon(FedAvg):
    needs = ("mu", "temperature")

    def __init__(self, settings, model, order):
        super().__init__(settings, model, order)
        # Forwards of the references move the buffers of these copies only.
        self.global_model = copy.deepcopy(model)
        self.previous_model = copy.deepcopy(model)
        self.state = None

    def begin_round(self, state, start):
        super().begin_round(state, start)
        self.state = state

    def begin_client(self, client):
        load(self.global_model, self.state)
        load(self.previous_model, client.models.get("moon.previous", self.state))

    def representation(self, model, features):
        """z: the features, or the output of the projection head."""
        return model.projection(features) if hasattr(model, "projection") else features

    @torch.no_grad()
    def reference(self, model, images):
        return self.representation(model, model(images)[1])

    def extra_terms(self, client, model, images, features):
        # mu CE([cos(z, z_glob), cos(z, z_prev)] / T, class 0)
        z = self.representation(model, features)
        z_glob = self.reference(self.global_model, images)
        z_prev = self.reference(self.previous_model, images)
        cosines = [functional.cosine_similarity(z, other, dim=1) for other in (z_glob, z_prev)]
        logits = torch.stack(cosines, dim=1) / self.settings.algorithm_temperature
        first_class = torch.zeros(len(logits), dtype=torch.int64)
        return self.settings.algorithm_mu * functional.cross_entropy(logits, first_class)

    def end_client(self, client):
        client.models["moon.previous"] = snapshot(client.model)


class Scaffold(FedAvg):
    def __init__(self, settings, model, order):
        super().__init__(settings, model, order)
        self.server["scaffold.c"] = torch.zeros_like(self.start)
        self.sent = self.start.numel()
        self.changes = {}

    def own(self, client):
        """c_i, at first 0"""
        return client.vectors.get("scaffold.c", torch.zeros_like(self.start))

    def extra_terms(self, client, model, images, features):
        # <c - c_i, y>, whose gradient is - c_i + c
        correction = self.server["scaffold.c"] - self.own(client)
        return torch.dot(correction, flat_parameters(model, self.order))

    def end_client(self, client):
        # c_i' = c_i - c + (w_t - y) / (tau eta)
        old = self.own(client)
        rate = client.steps * self.settings.train_lr
        new = old - self.server["scaffold.c"] - self.local_update(client) / rate
        client.vectors["scaffold.c"] = new
        self.changes[client.site.name] = new - old

    def server_step(self, clients):
        # c += |S|/K sum_S p_i (c_i' - c_i)
        change = sum(client.weight * self.changes[client.site.name] for client in clients)
        self.server["scaffold.c"] = self.server["scaffold.c"] + participation(clients) * change
        return self.average(clients)


class FedDyn(FedAvg):
    needs = ("a",)

    def __init__(self, settings, model, order):
        super().__init__(settings, model, order)
        self.server["feddyn.h"] = torch.zeros_like(self.start)

    def own(self, client):
        """h_i, at first 0"""
        return client.vectors.get("feddyn.h", torch.zeros_like(self.start))

    def extra_terms(self, client, model, images, features):
        # - <h_i, w> + a/2 ||w - w_t||^2
        w = flat_parameters(model, self.order)
        distance = (w - self.start).square().sum()
        linear = torch.dot(self.own(client), w)
        return self.settings.algorithm_a / 2 * distance - linear

    def end_client(self, client):
        # h_i -= a (w_i - w_t)
        change = self.settings.algorithm_a * self.local_update(client)
        client.vectors["feddyn.h"] = self.own(client) - change

    def server_step(self, clients):
        # h -= a |S|/K sum_S p_i (w_i - w_t); w = sum_S p_i w_i - h / a
        a = self.settings.algorithm_a
        change = a * participation(clients) * self.mean_update(clients)
        self.server["feddyn.h"] = self.server["feddyn.h"] - change
        return self.average(clients) - self.server["feddyn.h"] / a


class Ditto(FedAvg):
    needs = ("lambda",)

    def begin_client(self, client):
        # v_i is the global model of the client's first round
        if client.personal is None:
            client.personal = copy.deepcopy(client.model)
            client.personal_optimizer = make_optimizer(self.settings, client.personal)

    def pull(self, model, images, features):
        # lambda/2 ||v - w_t||^2
        distance = flat_parameters(model, self.order) - self.start
        return self.settings.algorithm_lambda / 2 * distance.square().sum()

    def after_step(self, client, inputs, labels):
        optimizer = client.personal_optimizer
        local_step(self.settings, client.personal, optimizer, inputs, labels, self.pull)

    def end_client(self, client):
        client.models["ditto.personal"] = snapshot(client.personal)


METHODS = {
    "fedavg": FedAvg,
    "fedavgm": FedAvgM,
    "fedprox": FedProx,
    "fednova": FedNova,
    "fedadam": FedAdam,
    "fedyogi": FedYogi,
    "fedadagrad": FedAdagrad,
    "fedbn": FedBN,
    "moon": Moon,
    "scaffold": Scaffold,
    "feddyn": FedDyn,
    "fedsam": FedAvg,
    "ditto": Ditto,
    "harmofl": FedAvg,
}


def make_method(settings, model, order):
    name = settings.algorithm_name
    if name not in METHODS:
        raise InputError(f"algorithm.name = {name} is unknown here")
    for key in METHODS[name].needs:
        if getattr(settings, f"algorithm_{key}") is None:
            raise InputError(f"algorithm.{key} is missing; {name} needs a number")
    return METHODS[name](settings, model, order)
