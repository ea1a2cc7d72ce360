# SPDX-License-Identifier: Apache-2.0
"""All rounds of a run."""

import torch
from torch import nn

from .batches import stored_batches
from .inputs import Checkpoint, aggregation_weights, read_federation
from .local_step import Client
from .methods import make_method
from .networks import is_counter, make_model
from .rounds import Planner
from .settings import InputError
from .tensors import load, snapshot, unflatten

AMPLITUDE = "amp_norm.running_amp"


def samples_a_round(settings, site):
    """Images that a site trains on in a round; of steps the mean, rounded down."""
    if not settings.train_local_steps:
        return site.samples * settings.train_local_epochs
    a_pass = -(-site.samples // settings.data_batch_size)
    return settings.train_local_steps * site.samples // a_pass


class Simulation:
    """The clients and the server of a run.

    `initial` and `state` are the global model before the first round and now, `order` is that of
    the parameters in vectors, `rounds` what became of everyone in each round.
    """

    def __init__(self, settings, sites, model, order=None, weights=None):
        self.settings = settings
        self.model = model
        self.order = order or [name for name, _ in model.named_parameters()]
        self.buffers = [name for name, _ in model.named_buffers()]
        self.initial = self.state = snapshot(model)
        self.rounds_done = 0
        self.rounds = []
        self.method = make_method(settings, model, self.order)
        self.local_names = self.method.local_names(model)
        if settings.model_buffers == "local":
            self.local_names |= set(self.buffers)
        shares = weights or aggregation_weights(settings, sites)
        self.clients = [Client(site, share, settings, model) for site, share in zip(sites, shares)]
        self.running = None
        images = [samples_a_round(settings, site) for site in sites]
        self.planner = Planner(settings, [site.name for site in sites], images)

    def shared_state(self):
        """What a client takes from the global model."""
        return {k: tensor for k, tensor in self.state.items() if k not in self.local_names}

    def run(self):
        while self.rounds_done < self.settings.run_rounds:
            self.run_round()

    def run_round(self):
        plan = self.planner.plan(self.rounds_done, self.message_bytes())
        start = torch.cat([self.state[name].reshape(-1) for name in self.order])
        self.method.begin_round(self.state, start)
        for number in plan.trained():
            self.train(self.clients[number])
        broken = [number for number in plan.counted if not self.is_finite(self.clients[number])]
        self.leave_out(plan, broken)
        if plan.counted:
            self.aggregate([self.clients[number] for number in plan.counted])
        self.rounds.append(plan)
        self.rounds_done += 1
        if self.settings.model_buffers == "recompute" and self.is_evaluated():
            self.recompute_statistics()

    def train(self, client):
        """The local work of a client, from the global model and what it kept."""
        load(client.model, {**self.initial, **self.shared_state(), **client.local})
        client.amplitude.begin_client()
        self.method.begin_client(client)
        client.train(self.method, self.rounds_done)
        self.method.end_client(client)
        state = snapshot(client.model)
        client.local = {name: state[name] for name in self.local_names}

    @staticmethod
    def is_finite(client):
        state = client.model.state_dict().values()
        return all(torch.isfinite(tensor).all() for tensor in state)

    def leave_out(self, plan, broken):
        """Updates with NaN or infinite values do not count, and their clients forget everything."""
        if broken and self.settings.train_nonfinite == "stop":
            raise InputError(f"an update of round {self.rounds_done} is not finite")
        for number in broken:
            plan.counted.remove(number)
            plan.lost[number] = "not_finite"
            self.clients[number].forget()

    def message_bytes(self):
        """float32 numbers of the tensors that a client sends, and of what the method adds."""
        sent = [tensor for name, tensor in self.state.items() if name not in self.local_names]
        count = sum(tensor.numel() for tensor in sent) + self.method.sent
        if self.settings.amplitude_band != "off" and self.running is None:
            count += self.clients[0].site.images[0].numel()
        return 4 * count

    def aggregate(self, clients):
        """The server's step for the parameters, the plain average for everything else, with weights
        that sum to 1 over the clients that count."""
        total = sum(client.share for client in clients)
        for client in clients:
            client.weight = client.share / total
        parameters = self.method.server_step(clients)
        buffers = {name: self.average_buffer(name, clients) for name in self.buffers}
        self.state = {**unflatten(parameters, self.order, self.state), **buffers}
        if self.settings.amplitude_band != "off" and self.running is None:
            self.freeze_amplitude(clients)

    @staticmethod
    def average_buffer(name, clients):
        """sum p_i b_i"""
        return sum(client.weight * client.model.state_dict()[name].clone() for client in clients)

    def freeze_amplitude(self, clients):
        """R = sum p_i R_i, the same everywhere from now on"""
        self.running = sum(client.weight * client.amplitude.running for client in clients)
        for client in self.clients:
            client.amplitude.freeze(self.running)

    def is_evaluated(self):
        """Whether the round just done is one after which the clients are evaluated."""
        is_last = self.rounds_done == self.settings.run_rounds
        return is_last or self.rounds_done % self.settings.run_evaluate_every == 0

    def recompute_statistics(self):
        """b = sum p_i b_i, where b_i are the statistics of the new model on all of client i's
        images"""
        own = [client_statistics(self.model, self.state, client) for client in self.clients]
        for name in self.buffers:
            self.state[name] = sum(client.share * buffers[name] for client, buffers in zip(self.clients, own))

    def extra_buffers(self):
        """The running amplitude as a buffer of every model, if there is one."""
        return {} if self.running is None else {AMPLITUDE: self.running}

    def global_state(self):
        """The global model without what stays at the sites."""
        return {**self.shared_state(), **self.extra_buffers()}


def client_statistics(model, state, client):
    """Plain means over a client's batches of each batch's mean and unbiased variance."""
    load(model, state)
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # PyTorch's word for plain means
    with torch.no_grad():
        for images, _ in stored_batches(client.site, client.settings, len(client.site.images)):
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


@torch.no_grad()
def move(model, noise, number):
    """Multiplies each parameter by 1 + noise z, z normal, the draw of that number."""
    generator = torch.Generator().manual_seed(number)
    for parameter in model.parameters():
        parameter *= 1 + noise * torch.randn(parameter.shape, generator=generator)


def recompute(settings, checkpoint, folder, initial, noise=0.0, number=0):
    """Runs all rounds of the run in `folder`, from the model in the file `initial`, moved by noise;
    returns the simulation."""
    done, wanted = checkpoint.rounds, settings.run_rounds
    if done != wanted:
        raise InputError(f"{checkpoint.path}: it has {done} of {wanted} rounds")
    federation = read_federation(settings, folder / "partition.csv")
    model = make_model(settings, federation.channels, federation.classes)
    load_initial(model, initial)
    if noise > 0:
        move(model, noise, number)
    simulation = Simulation(settings, federation.sites, model, parameter_order(model, checkpoint))
    simulation.run()
    return simulation
