# SPDX-License-Identifier: Apache-2.0
"""What is done for a run, one command after the other; a step whose file is there is done."""

import dataclasses
import pathlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy

from harmofl_runs import state_dict
from report.measured import RELATIVE
from study.data import Store
from study.experiments import EXPERIMENTS
from study.networks import save_network
from study.plan import Case, command, facts_text

FACTS = "study.json"
LOG = "study.log"
TIMES = "study-times.jsonl"

# The weights are moved by the method's own alpha and by parts of their norm, RELATIVE. A network with norms
# computes the same with weights of twice the size, so that lengths compare only with that size.
RADIUS = 0.05
DIRECTIONS, MOST = 3, 24
APART = "fedbn"  # its clients keep their norms: the global model has none, and nobody uses it alone
NOT_WEIGHTS = ("running_", "num_batches_tracked", "amp_norm.")


@dataclass(frozen=True)
class Tools:
    """Programs and places of a study."""

    program: str
    config: pathlib.Path
    output: pathlib.Path
    store: Store
    measured: bool = True
    """Whether runs of `new-sites` are measured for flatness and spectra."""

    def folder(self, one: Case) -> pathlib.Path:
        return self.output / one.name


@dataclass(frozen=True)
class Step:
    name: str
    made: pathlib.Path
    """The file that it leaves."""
    words: Callable[[], list[str]]
    """Its command, made when it is wanted: it may rest on what the step before left."""

    @property
    def done(self) -> bool:
        return self.made.is_file()


def weight_norm(checkpoint: pathlib.Path) -> float:
    """L2 norm of the parameters of a checkpoint's model."""
    tensors = state_dict(checkpoint).items()
    weights = [value for name, value in tensors if not any(mark in name for mark in NOT_WEIGHTS)]
    return float(numpy.sqrt(sum(float((value.astype(float) ** 2).sum()) for value in weights)))


def radii(norm: float) -> str:
    """The radii of `analyse flatness`, ascending."""
    return ",".join(f"{value:.6g}" for value in sorted([RADIUS, *(part * norm for part in RELATIVE)]))


def train_words(one: Case, tools: Tools) -> list[str]:
    """Makes the data and the folder of a run; gives its command."""
    folder = tools.folder(one)
    shards = tools.store.shards(one.data)
    if one.network is not None:
        script = save_network(one.network, one.seed, tools.store.folder / "networks")
        # The width that the configuration gives is of the program's own networks.
        script_keys = (("model.name", "script"), ("model.width", "auto"), ("model.script", str(script)))
        one = dataclasses.replace(one, keys=(*one.keys, *script_keys))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / FACTS).write_text(facts_text(one), encoding="utf-8")
    return command(one, tools.program, tools.config, shards, folder)


def flatness_words(one: Case, tools: Tools) -> list[str]:
    best = tools.folder(one) / "best.h5"
    shards = tools.store.taking_part(one.data, one.held_out)
    words = [tools.program, "analyse", "flatness", "--checkpoint", str(best), "--shards", str(shards)]
    return [*words, "--radii", radii(weight_norm(best)), "--directions", str(DIRECTIONS), "--most", str(MOST)]


def spectra_words(one: Case, tools: Tools) -> list[str]:
    best = tools.folder(one) / "best.h5"
    shards = tools.store.shards(one.data)
    return [tools.program, "analyse", "spectra", "--checkpoint", str(best), "--shards", str(shards)]


def steps(one: Case, tools: Tools) -> list[Step]:
    """Training; then what is measured of the model."""
    folder = tools.folder(one)
    found = [Step("train", folder / "summary.json", lambda: train_words(one, tools))]
    if tools.measured and EXPERIMENTS[one.experiment].rates:
        found.append(Step("spectra", folder / "spectra.json", lambda: spectra_words(one, tools)))
    if tools.measured and one.experiment == "new-sites" and dict(one.keys)["algorithm.name"] != APART:
        found.append(Step("flatness", folder / "flatness.json", lambda: flatness_words(one, tools)))
    return found
