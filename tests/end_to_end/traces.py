# SPDX-License-Identifier: Apache-2.0
"""The golden traces of whole rounds, run through tools/recompute instead of the program.

In float64: the question is whether the formulas are the same, and what float32 comes to in these small
networks differs from processor to processor. The traces' tolerances cover float64 (spread_abs,
spread_l2 and rel_update_spread count it). tests/fixtures/traces/README.md describes the files.
"""

import os
import pathlib
import sys

import h5py
import numpy
import torch

import support

sys.path.insert(0, str(support.SOURCE / "tools"))
from recompute import inputs, networks, simulation
from recompute import tensors as compared
from recompute.settings import Settings

# What a trace does not say of itself, by the name of its file.
CASES = {
    "fedavg_sgd": {},
    "fedavg_adam": {},
    "fedavg_weighted_sgd": {},
    "fedprox_sgd": {},
    "fedbn_sgd": {"model_norm": "batch"},
    "fednova_sgd": {},
    "fednova_momentum": {},
    "fedadam_sgd": {},
    "moon_sgd": {"run_rounds": 2},
    "harmofl_sgd": {},
    "harmofl_adam": {},
    "harmofl_full_sgd": {"amplitude_band": "full"},
}
BATCHES = 3  # of a client
BATCH_SIZE = 4

# Attributes of a trace and the settings that they are.
ATTRIBUTES = {
    "lr": "train_lr",
    "momentum": "train_momentum",
    "weight_decay": "train_weight_decay",
    "init_features": "model_width",
    "mu": "algorithm_mu",
    "temperature": "algorithm_temperature",
    "server_lr": "algorithm_server_lr",
    "beta1": "algorithm_beta1",
    "beta2": "algorithm_beta2",
    "tau": "algorithm_tau",
    "alpha": "perturbation_alpha",
    "amp_v": "amplitude_momentum",
}


def folder():
    """$HARMOFL_TRACES, else all traces beside the checkout, else the part that it holds."""
    given = os.environ.get("HARMOFL_TRACES")
    if given:
        return pathlib.Path(given)
    beside = support.SOURCE.parent / "shared" / "traces"
    return beside if beside.is_dir() else support.SOURCE / "tests" / "fixtures" / "traces"


def tensor(dataset):
    return torch.from_numpy(numpy.array(dataset[()], dtype=numpy.float64))


def read_group(group):
    return {name: tensor(dataset) for name, dataset in group.items()}


def read_tolerances(group):
    """The largest difference and the relative difference by the 2-norm that a dataset allows."""
    return {name: (dataset.attrs["tol_abs"], dataset.attrs["tol_l2"]) for name, dataset in group.items()}


def share_used(got, expected, tolerances):
    """The traces' own rule: a dataset passes by its largest difference or by the 2-norm."""
    shares = [0.0]
    for name, wanted in expected.items():
        largest, relative = tolerances[name]
        error = got[name] - wanted
        by_norm = compared.ratio(error.norm().item(), relative * wanted.norm().item())
        shares.append(min(error.abs().max().item() / largest, by_norm))
    return max(shares)


def read_batch(train, index):
    """Images and labels of one batch."""
    images = train[f"x{index}"]
    scale = float(images.attrs["divide_by"])
    # The images are float32 numbers, as the trace's own run saw them.
    values = (tensor(images).float() / scale).double()
    return values, tensor(train[f"y{index}"]).long().squeeze(1)


def read_common(path):
    """The initial model and the batches of each client."""
    with h5py.File(path) as file:
        clients = range(int(file.attrs["clients"]))
        batches = [
            [read_batch(file[f"client{client}/train"], index) for index in range(BATCHES)]
            for client in clients
        ]
        return read_group(file["init"]), batches


def settings_of(attributes, more):
    values = {field: attributes[name].item() for name, field in ATTRIBUTES.items() if name in attributes}
    method = inputs.text_of(attributes["method"])
    if method.startswith("harmofl"):
        method = "harmofl"
        values.update(amplitude_band="dc", amplitude_update="every-pass", amplitude_record="spectrum")
    optimizer = inputs.text_of(attributes["optimizer"])
    return Settings(
        **{
            "run_rounds": 3,
            "data_batch_size": BATCH_SIZE,
            "train_loss": "cross-entropy-dice",
            "train_optimizer": optimizer,
            "algorithm_name": method,
            **values,
            **more,
        }
    )


def site_of(client, batches):
    """A client whose images, in stored order, make the batches."""
    images, labels = (torch.cat(parts) for parts in zip(*batches))
    return inputs.Site(f"client{client}", images, labels, len(images), client)


class Trace:
    """One file, and the simulation that is to reproduce it."""

    def __init__(self, path, initial, batches, more):
        with h5py.File(path) as file:
            self.tolerance = file.attrs["rel_update_tol"][:]
            self.settings = settings_of(file.attrs, more)
            used, weights = file.attrs["batches_used"], file.attrs["weights"]
            self.rounds = [
                self.read_round(file[f"expect/round{index + 1}"]) for index in range(self.settings.run_rounds)
            ]
        sites = [site_of(client, own[: int(count)]) for client, (own, count) in enumerate(zip(batches, used))]
        model = networks.make_model(self.settings, channels=3, classes=2).double()
        compared.load(model, initial)
        self.simulation = simulation.Simulation(
            self.settings, sites, model, weights=[float(weight) for weight in weights]
        )

    @staticmethod
    def read_round(group):
        """What is expected of the global model, of each client's own tensors where it is there, and the
        datasets' own tolerances."""
        clients = [group[name] for name in sorted(group) if name.startswith("client")]
        tolerances = [read_tolerances(part) for part in (group["global"], *clients)]
        return read_group(group["global"]), [read_group(part) for part in clients], tolerances

    def errors(self):
        """Runs the rounds; of each the error of the update, and the largest share that a buffer uses of
        its tolerance."""
        for expected, of_clients, tolerances in self.rounds:
            self.simulation.run_round()
            amplitude = {name: expected.pop(name) for name in list(expected) if name == simulation.AMPLITUDE}
            update = compared.update_error(self.simulation.global_state(), expected, self.simulation.initial)
            shares = [share_used(self.simulation.extra_buffers(), amplitude, tolerances[0])]
            for client, own, tolerance in zip(self.simulation.clients, of_clients, tolerances[1:]):
                state = client.local
                assert state.keys() == own.keys(), (state.keys(), own.keys())
                shares.append(share_used(state, own, tolerance))
            yield update, max(shares)
