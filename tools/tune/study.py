# SPDX-License-Identifier: Apache-2.0
"""The folder of a tuning. Its state is the run folders themselves.

FOLDER/plan.json                  the request and all trials, written once
FOLDER/trials/METHOD-000.ini      the configuration of a trial
FOLDER/trials/METHOD-000/         its run folder
FOLDER/trials/METHOD-000.log      what its run said
FOLDER/trials/METHOD-000.failed   why it counts as worst, where it failed
FOLDER/trials.csv, tuning.md, best/METHOD.ini
"""

import json
import pathlib
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from tune.asking import Config, Measure, ini_text
from tune.errors import TuneError
from tune.planning import Ask, MethodPlan, Plan, Request, Trial, make_plan, trial_config
from tune.records import write_json, write_text
from tune.space import Space

PLAN = "plan.json"
VERSION = 1


@dataclass(frozen=True)
class Study:
    """A plan and where its trials lie."""

    folder: pathlib.Path
    plan: Plan

    @property
    def space(self) -> Space:
        return Space.of_json(self.plan.request["space"], str(self.folder / PLAN))

    def stem(self, trial: Trial) -> pathlib.Path:
        return self.folder / "trials" / trial.name

    def run_folder(self, trial: Trial) -> pathlib.Path:
        return self.stem(trial)

    def config_file(self, trial: Trial) -> pathlib.Path:
        return self.stem(trial).with_name(f"{trial.name}.ini")

    def log(self, trial: Trial) -> pathlib.Path:
        return self.stem(trial).with_name(f"{trial.name}.log")

    def failure_file(self, trial: Trial) -> pathlib.Path:
        return self.stem(trial).with_name(f"{trial.name}.failed")

    def failure(self, trial: Trial) -> dict[str, Any] | None:
        """Why a trial counts as worst: {"status", "rounds", "said"}, of the rung that ends after `rounds`."""
        path = self.failure_file(trial)
        if not path.exists():
            return None
        try:
            return json.loads(path.read_text(encoding="utf-8"))
        except ValueError:
            raise TuneError(f"{path}: is not JSON. Remove it, and the trial is run again.") from None

    def trial_of_name(self, name: str) -> Trial:
        for method in self.plan.methods.values():
            for trial in method.trials:
                if trial.name == name:
                    return trial
        raise TuneError(f"{self.folder / PLAN}: has no trial {name}.")

    def config(self, trial: Trial) -> Config:
        """All keys that a trial's run is given."""
        config = trial_config(self.plan.request, trial.method, trial.values)
        return config | {"run.name": trial.name, "run.output": str(self.run_folder(trial))}


def plan_to_json(plan: Plan) -> dict[str, Any]:
    return {
        "version": VERSION,
        "request": plan.request,
        "rungs": list(plan.rungs),
        "measure": asdict(plan.measure),
        "methods": {
            name: {
                "sizes": list(method.sizes),
                "price": method.price,
                "planned": method.planned,
                "trials": [
                    {"values": dict(trial.values), "client_steps": list(trial.client_steps)}
                    for trial in method.trials
                ],
            }
            for name, method in plan.methods.items()
        },
    }


def plan_of_json(value: dict[str, Any]) -> Plan:
    methods = {
        name: MethodPlan(
            tuple(method["sizes"]),
            tuple(
                Trial(name, number, trial["values"], tuple(trial["client_steps"]))
                for number, trial in enumerate(method["trials"])
            ),
            method["price"],
        )
        for name, method in value["methods"].items()
    }
    return Plan(value["request"], tuple(value["rungs"]), Measure(**value["measure"]), methods)


def read_study(folder: str | pathlib.Path) -> Study:
    """The study in a folder that was planned."""
    path = pathlib.Path(folder) / PLAN
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        if value["version"] != VERSION:
            raise TuneError(
                f"{path}: is of version {value['version']}, not {VERSION}. Take another --output."
            )
        return Study(pathlib.Path(folder).absolute(), plan_of_json(value))
    except FileNotFoundError:
        raise TuneError(f"{path}: there is no such file. Give the --output of a tuning.") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise TuneError(f"{path}: is not a plan ({error}). Restore it, or take another --output.") from None


def differences(old: dict[str, Any], new: dict[str, Any], name: str = "") -> list[str]:
    """Where two requests differ, as "NAME = OLD, not NEW"."""
    found = []
    for key in dict.fromkeys([*old, *new]):
        a, b = old.get(key), new.get(key)
        full = f"{name}{key}"
        if isinstance(a, dict) and isinstance(b, dict):
            found += differences(a, b, f"{full}: ")
        elif a != b:
            found.append(f"{full} = {a}, not {b}")
    return found


def write_configs(folder: pathlib.Path, plan: Plan) -> Study:
    """Writes the configurations of the trials."""
    study = Study(folder.absolute(), plan)
    for method in plan.methods.values():
        for trial in method.trials:
            write_text(study.config_file(trial), ini_text(study.config(trial)))
    return study


def store(folder: pathlib.Path, plan: Plan) -> Study:
    """Writes the plan, and the configurations of its trials."""
    study = write_configs(folder, plan)
    write_json(folder / PLAN, plan_to_json(plan))  # last: what it names is there
    return study


def prepare(
    request: Request,
    folder: str | pathlib.Path,
    ask: Ask,
    measure_prices: Callable[[], dict[str, float]] | None = None,
) -> Study:
    """The study of a request in a folder: that which is there, or a new one. A folder with the study of
    another request is refused. `measure_prices` gives what a client step takes of a budget in
    other units; it is called for a new study alone."""
    folder = pathlib.Path(folder)
    if (folder / PLAN).exists():
        study = read_study(folder)
        other = differences(study.plan.request, json.loads(json.dumps(request.to_json())))
        if other:
            raise TuneError(
                f"{folder}: holds a tuning with {other[0]}. Give what it was begun with, or another --output."
            )
        return study
    prices = measure_prices() if measure_prices else None
    return store(folder, make_plan(request, ask, prices))
