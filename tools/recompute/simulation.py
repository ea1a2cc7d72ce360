# SPDX-License-Identifier: Apache-2.0
"""All rounds of a run."""

import torch
from torch import nn

from .inputs import Checkpoint, aggregation_weights, read_federation
from .local_step import Client
from .methods import make_method
from .networks import is_counter, make_model
from .settings import InputError
from .tensors import load, snapshot, unflatten

AMPLITUDE = "amp_norm.running_amp"


class Simulation:
    """The clients and the server of a run.

    `initial` and `state` are the global model before the first round and now, `order` is that of
    the parameters in vectors.
    """

    def __init__(self, settings, sites, model, order=None, weights=None):
        self.settings = settings
        self.model = model
        self.order = order or [name for name, _ in model.named_parameters()]
        self.buffers = [name for name, _ in model.named_buffers()]
        self.initial = self.state = snapshot(model)
        self.rounds_done = 0
        self.method = make_method(settings, model, self.order)
        self.local_names = self.method.local_names(model)
        if settings.model_buffers == "local":
            self.local_names |= set(self.buffers)
        weights = weights or aggregation_weights(settings, sites)
        self.clients = [
            Client(site, weight, settings, model) for site, weight in zip(sites, weights)
        ]
        for client in self.clients:
            self.method.prepare(client)

    def shared_state(self):
        """What a client takes from the global model."""
        return {k: tensor for k, tensor in self.state.items() if k not in self.local_names}

    def run(self):
        while self.rounds_done < self.settings.run_rounds:
            self.run_round()

    def run_round(self):
        start = torch.cat([self.state[name].reshape(-1) for name in self.order])
        self.method.begin_round(self.state, start)
        for client in self.clients:
            load(client.model, self.shared_state())
            self.method.begin_client(client)
            client.train(self.method)
            self.method.end_client(client)
        self.aggregate()
        self.rounds_done += 1
        if self.settings.model_buffers == "recompute" and self.is_evaluated():
            self.recompute_statistics()

    def aggregate(self):
        """The server's step for the parameters, the plain average for everything else."""
        parameters = self.method.server_step(self.clients)
        buffers = {name: self.average_buffer(name) for name in self.buffers}
        self.state = {**unflatten(parameters, self.order, self.state), **buffers}
        if self.settings.amplitude_band != "off" and not self.clients[0].amplitude.frozen:
            self.freeze_amplitude()

    def average_buffer(self, name):
        """sum p_i b_i"""
        return sum(
            client.weight * client.model.state_dict()[name].clone() for client in self.clients
        )

    def freeze_amplitude(self):
        """R = sum p_i R_i, the same everywhere from now on"""
        running = sum(client.weight * client.amplitude.running for client in self.clients)
        for client in self.clients:
            client.amplitude.freeze(running)

    def is_evaluated(self):
        """Whether the round just done is one after which the clients are evaluated."""
        is_last = self.rounds_done == self.settings.run_rounds
        return is_last or self.rounds_done % self.settings.run_evaluate_every == 0

    def recompute_statistics(self):
        """b = sum p_i b_i, where b_i are the statistics of the new model on client i's images"""
        own = [client_statistics(self.model, self.state, client) for client in self.clients]
        for name in self.buffers:
            self.state[name] = sum(
                client.weight * buffers[name] for client, buffers in zip(self.clients, own)
            )

    def extra_buffers(self):
        """The running amplitude as a buffer of every model, if there is one."""
        if self.settings.amplitude_band == "off":
            return {}
        return {AMPLITUDE: self.clients[0].amplitude.running}

    def global_state(self):
        """The global model without what stays at the sites."""
        return {**self.shared_state(), **self.extra_buffers()}

    def local_state(self, client):
        """What stays at a site of its model."""
        state = client.model.state_dict()
        return {name: state[name] for name in self.local_names}


def client_statistics(model, state, client):
    """Plain means over a client's batches of each batch's mean and unbiased variance."""
    load(model, state)
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # PyTorch's word for plain means
    with torch.no_grad():
        for images, _ in client.site.batches:
            model(client.amplitude(images))
    return snapshot(model)


def load_initial(model, path):
    """Puts the initial model into the network; counters start at 0 where they are not stored."""
    if not path.is_file():
        raise InputError(f"{path}: no such file; train with --run.save_initial true to have it")
    tensors = Checkpoint(path).model
    for name, tensor in model.state_dict().items():
        if is_counter(name) and name not in tensors:
            continue
        if name not in tensors or tensors[name].shape != tensor.shape:
            raise InputError(f"{path}: /model/{name} is missing or not of {list(tensor.shape)}")
    load(model, tensors)


def parameter_order(model, checkpoint):
    """The checkpoint's order of the parameters, where it has them all."""
    names = [name for name, _ in model.named_parameters()]
    if set(checkpoint.parameters) != set(names):
        return names
    return checkpoint.parameters


def recompute(settings, checkpoint, initial):
    """Runs all rounds, from the model in the file `initial`; returns the simulation."""
    done, wanted = checkpoint.rounds, settings.run_rounds
    if done != wanted:
        raise InputError(f"{checkpoint.path}: it has {done} of {wanted} rounds")
    federation = read_federation(settings)
    model = make_model(settings, federation.channels, federation.classes)
    load_initial(model, initial)
    simulation = Simulation(settings, federation.sites, model, parameter_order(model, checkpoint))
    simulation.run()
    return simulation
