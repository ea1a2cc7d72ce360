# SPDX-License-Identifier: Apache-2.0
"""FedAvg, and the methods that differ from it by the server's step alone.

Symbols here and in methods.py, all of one round: w_t global parameters at its start, w_i those of
client i after its local work, p_i its weight, D_i = w_i - w_t, tau_i its steps, S the clients that
count, of K.
"""

import torch

from .tensors import flat_parameters


def participation(clients):
    """|S|/K; with unequal weights, what S has of the weights of all."""
    return sum(client.share for client in clients)


class FedAvg:
    """Also HarmoFL and FedSAM: they differ by what precedes the average."""

    needs = ()  # keys of [algorithm] that have to be numbers
    sent = 0  # numbers that a client sends beside its model; SCAFFOLD: as many as parameters

    def __init__(self, settings, model, order):
        self.settings = settings
        self.order = order
        self.start = flat_parameters(model, order).detach().clone()
        self.server = {}

    def local_names(self, model):
        """Tensors that stay at the sites."""
        return set()

    def begin_round(self, state, start):
        """`state` is the global model, `start` is w_t."""
        self.start = start

    def begin_client(self, client):
        """Before a client's local work."""

    def extra_terms(self, client, model, images, features):
        """What the local objective has besides the loss of the task."""
        return 0.0

    def after_step(self, client, inputs, labels):
        """After each local step."""

    def end_client(self, client):
        """After a client's local work."""

    def server_step(self, clients):
        """w = sum p_i w_i"""
        return self.average(clients)

    def parameters(self, client):
        return flat_parameters(client.model, self.order)

    def local_update(self, client):
        """D_i = w_i - w_t"""
        return self.parameters(client).detach() - self.start

    def average(self, clients):
        return sum(client.weight * self.parameters(client).detach() for client in clients)

    def mean_update(self, clients):
        """Delta = sum p_i D_i"""
        return sum(client.weight * self.local_update(client) for client in clients)


class FedAvgM(FedAvg):
    needs = ("beta", "server_lr")

    def __init__(self, settings, model, order):
        super().__init__(settings, model, order)
        self.server["fedavgm.u"] = torch.zeros_like(self.start)

    def server_step(self, clients):
        # u = beta u + Delta; w += eta u
        u = self.settings.algorithm_beta * self.server["fedavgm.u"] + self.mean_update(clients)
        self.server["fedavgm.u"] = u
        return self.start + self.settings.algorithm_server_lr * u


class FedNova(FedAvg):
    sent = 1

    def begin_client(self, client):
        client.reset_optimizer()

    def steps_norm(self, client):
        """a_i"""
        tau = client.steps
        if self.settings.train_optimizer != "sgd":
            return float(tau)
        # a = [tau - rho (1 - rho^tau) / (1 - rho)] / (1 - rho); rho = 0: a = tau
        rho = self.settings.train_momentum
        return (tau - rho * (1 - rho**tau) / (1 - rho)) / (1 - rho)

    def server_step(self, clients):
        # tau_eff = sum p_i a_i; w += tau_eff sum p_i D_i / a_i
        effective = sum(client.weight * self.steps_norm(client) for client in clients)
        direction = sum(
            client.weight / self.steps_norm(client) * self.local_update(client) for client in clients
        )
        return self.start + effective * direction


class AdaptiveServer(FedAvg):
    """FedAdam, FedYogi and FedAdagrad: they differ by v."""

    needs = ("server_lr", "beta1", "tau")

    def __init__(self, settings, model, order):
        super().__init__(settings, model, order)
        # m_0 = 0, v_0 = tau^2
        name = settings.algorithm_name
        self.server[f"{name}.m"] = torch.zeros_like(self.start)
        self.server[f"{name}.v"] = torch.full_like(self.start, settings.algorithm_tau**2)

    def second_moment(self, v, square):
        raise NotImplementedError

    def server_step(self, clients):
        settings = self.settings
        name = settings.algorithm_name
        delta = self.mean_update(clients)
        # m = b1 m + (1 - b1) Delta
        beta1 = settings.algorithm_beta1
        m = beta1 * self.server[f"{name}.m"] + (1 - beta1) * delta
        v = self.second_moment(self.server[f"{name}.v"], delta.square())
        self.server[f"{name}.m"] = m
        self.server[f"{name}.v"] = v
        # w += eta m / (sqrt v + tau)
        step = m / (v.sqrt() + settings.algorithm_tau)
        return self.start + settings.algorithm_server_lr * step


class FedAdam(AdaptiveServer):
    needs = (*AdaptiveServer.needs, "beta2")

    def second_moment(self, v, square):
        # v = b2 v + (1 - b2) Delta^2
        beta2 = self.settings.algorithm_beta2
        return beta2 * v + (1 - beta2) * square


class FedYogi(AdaptiveServer):
    needs = (*AdaptiveServer.needs, "beta2")

    def second_moment(self, v, square):
        # v = v - (1 - b2) Delta^2 sign(v - Delta^2)
        return v - (1 - self.settings.algorithm_beta2) * square * torch.sign(v - square)


class FedAdagrad(AdaptiveServer):
    def second_moment(self, v, square):
        # v = v + Delta^2
        return v + square
