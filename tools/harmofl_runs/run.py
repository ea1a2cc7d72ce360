# SPDX-License-Identifier: Apache-2.0
"""A run folder."""

import functools
import pathlib
from typing import Any

import pandas

from harmofl_runs import files, frames
from harmofl_runs.errors import RunError

SPLITS = ("train", "val", "test")
ANALYSES = ("drift", "flatness", "surface", "spectra", "gradients")


class Run:
    """A run folder. Files are read when they are asked for, and kept."""

    def __init__(self, folder: str | pathlib.Path) -> None:
        self.folder = pathlib.Path(folder)
        if not self.folder.is_dir():
            raise RunError(folder, "is not a folder", "Give the folder that run.output named.")
        self.config = files.read_ini(self.folder / "config.ini")

    def __repr__(self) -> str:
        return f"Run({str(self.folder)!r})"

    @property
    def method(self) -> str:
        """`algorithm.name`."""
        return self.key("algorithm.name")

    @property
    def seed(self) -> int:
        """`run.seed`."""
        return int(self.key("run.seed"))

    def key(self, name: str) -> str:
        """The value of a configuration key, as text."""
        if name not in self.config:
            raise RunError(self.folder / "config.ini", f"has no key {name}", "Give a key of `train --help`.")
        return self.config[name]

    @functools.cached_property
    def provenance(self) -> dict[str, Any]:
        """run.json: version and commit, libraries, ranks, shards with checksums, configuration."""
        return files.read_json(self.folder / "run.json", "Give the folder of a run that has begun.")

    @functools.cached_property
    def summary(self) -> dict[str, Any]:
        """summary.json, which a run writes when it ends."""
        return files.read_json(
            self.folder / "summary.json", "Let the run end first: the same command with --resume."
        )

    @property
    def finished(self) -> bool:
        """Whether the run has ended and left a summary."""
        return (self.folder / "summary.json").exists()

    @functools.cached_property
    def _round_lines(self) -> list[dict[str, Any]]:
        return files.read_json_lines(self.folder / "rounds.jsonl")

    def scores(self) -> pandas.DataFrame:
        """Round (from 0), site, split, measure, value, held_out: a row each, of all rounds."""
        return frames.scores(files.read_json_lines(self.folder / "metrics.jsonl"))

    def rounds(self) -> pandas.DataFrame:
        """A row a round: seconds, clients that trained and counted, lost, bytes, memory, learning rate."""
        return frames.rounds(self._round_lines)

    def phases(self) -> pandas.DataFrame:
        """Round, phase, and of its seconds the mean and the largest of the ranks (all that a run records)."""
        return frames.phases(self._round_lines)

    def joules(self) -> pandas.DataFrame:
        """Round, kind (cpu, gpu), phase, rank, joules; no row without run.energy, or where no counter could
        be read."""
        return frames.joules(self._round_lines)

    def ranks(self) -> pandas.DataFrame:
        """A row a rank: host, device, threads, process, and the list of its sites."""
        return pandas.DataFrame(self.provenance["ranks"]).set_index("rank")

    def best(self, split: str = "test") -> pandas.DataFrame:
        """Sites and measures of the best round, of single classes too; those held out last, and marked."""
        if split not in ("val", "test"):
            raise RunError(self.folder, f"a summary has no split {split!r}", "Ask for 'val' or 'test'.")
        tables = []
        for table, held_out in ((self.summary, False), (self.summary.get("held_out", {}), True)):
            if table.get(split, {}).get("sites"):
                tables.append(frames.table_of_sites(table[split], held_out))
        if not tables:
            raise RunError(
                self.folder / "summary.json",
                f"measured no site of {split}",
                "Use shards with such samples, and run.evaluate_every no larger than run.rounds.",
            )
        return pandas.concat(tables)

    def samples(self) -> pandas.DataFrame:
        """per_sample.csv: a row a val and test sample of the best round."""
        names = ("site", "split", "id")
        return files.read_csv(
            self.folder / "per_sample.csv",
            names,
            "Train with --run.per_sample true, or write it by `evaluate --per-sample`.",
        )

    def analysis(self, kind: str) -> tuple[dict[str, Any], pandas.DataFrame]:
        """What `harmofl analyse KIND` left in the folder: the numbers of KIND.json, and its rows."""
        if kind not in ANALYSES:
            raise RunError(self.folder, f"there is no analysis {kind!r}", f"Known: {', '.join(ANALYSES)}.")
        path = self.folder / f"{kind}.json"
        found = dict(files.read_json(path, f"Run `harmofl analyse {kind}` on its checkpoint first."))
        rows = pandas.DataFrame(found.pop("rows", []))
        if rows.empty:
            raise RunError(path, "has no rows", f"Run `harmofl analyse {kind}` again.")
        return found, rows

    def has(self, name: str) -> bool:
        """Whether the folder holds a file."""
        return (self.folder / name).exists()


def open_run(folder: str | pathlib.Path) -> Run:
    """The run in a folder."""
    return Run(folder)


def find_runs(*paths: str | pathlib.Path) -> list[Run]:
    """The run folders among the given folders and anywhere below them, sorted by path, each once."""
    found: dict[pathlib.Path, Run] = {}
    for path in map(pathlib.Path, paths):
        below = [file.parent for file in path.rglob("config.ini")] if path.is_dir() else []
        if not below:
            raise RunError(path, "holds no config.ini, nor does a folder below it", "Give folders of runs.")
        for folder in below:
            found.setdefault(folder.resolve(), Run(folder))
    return [found[folder] for folder in sorted(found)]
