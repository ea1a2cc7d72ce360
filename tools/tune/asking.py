# SPDX-License-Identifier: Apache-2.0
"""What the program says of a configuration, before anything is trained: `train --dry-run=json`."""

import json
import pathlib
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass

from harmofl_runs.files import read_ini
from tune.errors import TuneError

Config = dict[str, str]
"""Keys as `section.key`, with their values as text."""
PATHS = ("data.shards", "fleet.table", "model.script", "model.weights", "run.scratch")
# Keys that do not change how many steps clients take; whether perturbation.alpha is 0 does.
NEUTRAL = {
    "amplitude.momentum",
    "amplitude.update",
    "perturbation.adaptive",
    "perturbation.eta",
    "train.class_weights",
    "train.focal_gamma",
    "train.loss",
    "train.lr",
    "train.lr_final",
    "train.momentum",
    "train.optimizer",
    "train.schedule",
    "train.schedule_factor",
    "train.schedule_rounds",
    "train.warm_up",
    "train.weight_decay",
}


@dataclass(frozen=True)
class Measure:
    """The measure that decides which round, and here which trial, is the best."""

    name: str
    lower_is_better: bool
    may_be_undefined: bool
    """Sites without a value are left out of the mean."""


@dataclass(frozen=True)
class Answer:
    """What a run will ask for: its client steps by round, its measure."""

    client_steps: tuple[int, ...]
    measure: Measure

    def up_to(self, rounds: int) -> int:
        """Client steps of the first rounds."""
        return sum(self.client_steps[:rounds])


def ini_text(config: Mapping[str, str]) -> str:
    """The configuration as an INI file, sections in the order of their first keys."""
    sections: dict[str, list[str]] = {}
    for key, value in config.items():
        section, name = key.split(".", 1)
        sections.setdefault(section, []).append(f"{name} = {value}")
    parts = ["\n".join([f"[{section}]", *lines]) for section, lines in sections.items()]
    return "\n\n".join(parts) + "\n"


def read_base(path: str | pathlib.Path | None, arguments: list[str]) -> Config:
    """The configuration that trials have in common: a file, and over it `--KEY VALUE` or `--KEY=VALUE`.
    Paths become absolute, as trials may start elsewhere."""
    if path and not pathlib.Path(path).is_file():
        raise TuneError(f"{path}: there is no such file. Give the configuration that trials have in common.")
    config = dict(read_ini(pathlib.Path(path))) if path else {}
    words = list(arguments)
    while words:
        word = words.pop(0)
        key, is_joined, value = word.removeprefix("--").partition("=")
        if not word.startswith("--") or "." not in key:
            raise TuneError(f"'{word}' is not a key of `harmofl train`. After `--` give --SECTION.KEY VALUE.")
        if not is_joined:
            value = words.pop(0) if words and not words[0].startswith("--") else "true"
        config[key] = value
    for key in PATHS:
        if config.get(key):
            config[key] = str(pathlib.Path(config[key]).absolute())
    return config


def kind_of(values: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """What of a trial's values decides its client steps; trials of one kind take the same."""
    found = []
    for key, value in values.items():
        if key == "perturbation.alpha":
            found.append((key, "0" if is_zero(value) else "above 0"))
        elif key not in NEUTRAL and not key.startswith("algorithm."):
            found.append((key, value))
    return tuple(found)


def is_zero(value: str) -> bool:
    try:
        return float(value) == 0
    except ValueError:
        return False


def said(text: str) -> str:
    """The program's error among what it said, else its last line."""
    lines = text.strip().splitlines()
    errors = [line for line in lines if line.startswith("error")]
    return (errors or lines[-1:] or ["it said nothing"])[0]


def dry_run(program: str, path: pathlib.Path, *words: str) -> subprocess.CompletedProcess:
    try:
        return subprocess.run(
            [program, "train", "--config", str(path), "--dry-run=json", *words],
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError as error:
        raise TuneError(f"{program}: cannot be started ({error.strerror}). Give --program.") from None


def ask(program: str, config: Config) -> Answer:
    """Asks. Images stay in their shards where that can be, which changes no count."""
    with tempfile.TemporaryDirectory(prefix="harmofl-tune-") as folder:
        path = pathlib.Path(folder) / "trial.ini"
        path.write_text(ini_text(config), encoding="utf-8")
        done = dry_run(program, path, "--data.residence", "stream")
        if done.returncode != 0:
            done = dry_run(program, path)
        text = done.stderr.replace(str(path), "the trial's configuration")
    if done.returncode != 0:
        raise TuneError(f"`harmofl train --dry-run` refuses a trial: {said(text)}")
    try:
        plan = json.loads(done.stdout)
        return Answer(tuple(plan["client_steps"]), Measure(**plan["measure"]))
    except (ValueError, KeyError, TypeError) as error:
        raise TuneError(
            f"{program}: its --dry-run=json is not understood ({error}). Is it of this version?"
        ) from None
