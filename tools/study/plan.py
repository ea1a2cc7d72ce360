# SPDX-License-Identifier: Apache-2.0
"""From experiments to runs: pure, so that a table tells what will be run."""

import json
import pathlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from study.experiments import GROUPS, NEW_SITE_KEYS, REAL, STEPS, Experiment, Keys, Network, Variant


@dataclass(frozen=True, order=True)
class Data:
    """The shards of a federation: images dealt to sites, through scanners."""

    modality: str
    sites: int
    strength: float
    draw: int
    """Seed of the scanners; 0 where the strength is 0, since all are then alike."""

    @property
    def name(self) -> str:
        return f"{self.modality}-{self.sites}-strength{self.strength:g}-draw{self.draw}"


@dataclass(frozen=True)
class Case:
    """One run."""

    experiment: str
    setting: str
    method: str
    seed: int
    data: Data
    held_out: str
    """Name of the site that never trains, or empty."""
    keys: tuple[tuple[str, str], ...]
    network: Network | None = None

    @property
    def name(self) -> str:
        return f"{self.experiment}/{self.setting}/{self.method}-seed{self.seed}"

    def facts(self) -> dict[str, object]:
        """What study.json in the run folder says."""
        return {
            "experiment": self.experiment,
            "setting": self.setting,
            "method": self.method,
            "seed": self.seed,
            "modality": self.data.modality,
            "sites": self.data.sites,
            "strength": self.data.strength,
            "held_out": self.held_out,
            "data": self.data.name,
        }


def site_names(count: int) -> list[str]:
    return [f"site_{index}" for index in range(count)]


def held_out_sites(experiment: Experiment) -> list[str]:
    """Who is held out, a run each; "" is nobody."""
    names = list(GROUPS[REAL]) if experiment.modality == REAL else site_names(experiment.sites)
    if not isinstance(experiment.hold_out, str):
        return list(experiment.hold_out)
    return {"none": [""], "last": names[-1:], "each": names}[experiment.hold_out]


def case(experiment: Experiment, variant: Variant, seed: int, strength: float, held_out: str) -> Case:
    keys: Keys = dict(experiment.keys)
    keys |= variant.keys
    if held_out:
        keys |= {"data.hold_out": held_out, **NEW_SITE_KEYS.get(keys["algorithm.name"], {})}
    if keys.get("data.partition") == "pooled":
        keys["train.local_steps"] = str(STEPS * (experiment.sites - bool(held_out)))
    in_turn = len(held_out_sites(experiment)) > 1
    setting = f"strength{strength:g}" + (f"-without-{held_out}" if in_turn else "")
    data = Data(experiment.modality, experiment.sites, strength, seed if strength > 0 else 0)
    return Case(
        experiment.name,
        setting,
        variant.method,
        seed,
        data,
        held_out,
        tuple(sorted(keys.items())),
        variant.network,
    )


def own_seeds(experiment: Experiment) -> range:
    return range(experiment.first_seed, experiment.first_seed + experiment.seeds)


def plan(experiment: Experiment, seeds: Sequence[int] | None = None) -> list[Case]:
    """The runs of an experiment: all of seed 0 first, of it strength by strength, so that whatever has been
    run by some time can be compared in pairs."""
    return [
        case(experiment, variant, seed, strength, held_out)
        for seed in (own_seeds(experiment) if seeds is None else seeds)
        for strength in experiment.strengths
        for held_out in held_out_sites(experiment)
        for variant in experiment.variants
    ]


def part(cases: Sequence[Case], index: int, count: int) -> list[Case]:
    """The index-th (from 1) of `count` shares of the runs, as of a job array."""
    return list(cases[index - 1 :: count])


def with_keys(one: Case, tuned: Mapping[str, Mapping[str, str]]) -> Case:
    """The run with its method's tuned keys, under those that the experiment itself sets. What has no method
    of that name (the variants of `factors`) takes the keys of FedAvg."""
    found = tuned.get(one.method, tuned.get("fedavg", {}))
    keys = {**found, **dict(one.keys)}
    return Case(**{**vars(one), "keys": tuple(sorted(keys.items()))})


def best_rates(scores: Iterable[tuple[str, float]]) -> dict[str, Keys]:
    """From (METHOD-lrRATE, validation score) of all seeds the rate with the best mean score of each method;
    of equal ones the first."""
    found: dict[str, list[float]] = {}
    for name, score in scores:
        found.setdefault(name, []).append(score)
    best: dict[str, tuple[float, str]] = {}
    for name, values in found.items():
        method, _, rate = name.rpartition("-lr")
        mean = sum(values) / len(values)
        if method not in best or mean > best[method][0]:
            best[method] = (mean, rate)
    return {method: {"train.lr": rate} for method, (_, rate) in best.items()}


def command(
    one: Case, program: str, config: pathlib.Path, shards: pathlib.Path, folder: pathlib.Path
) -> list[str]:
    """`harmofl train` of a run."""
    words = [program, "train", "--config", str(config), "--data.shards", str(shards)]
    words += ["--run.output", str(folder), "--run.name", one.name, "--run.seed", str(one.seed)]
    words += ["--run.resume", "true", "--device.threads", "1", "--device.lanes", "1"]
    for key, value in one.keys:
        words += [f"--{key}", value]
    return words


def facts_text(one: Case) -> str:
    return json.dumps(one.facts(), indent=1) + "\n"
