# SPDX-License-Identifier: Apache-2.0
"""Shards (docs/shard-format.md)."""

import json
import pathlib
from typing import Any

import h5py
import numpy

from harmofl_runs.errors import RunError
from harmofl_runs.hdf5 import open_file, text

SPLITS = ("train", "val", "test")


class Shard:
    """The preprocessed images of one site. Arrays are read whenever they are asked for."""

    def __init__(self, path: str | pathlib.Path) -> None:
        self.path = pathlib.Path(path)
        with self._open() as file:
            self.site: str = text(file.attrs["site"])
            self.task: str = text(file.attrs["task"])
            self.class_names: list[str] = [text(name) for name in file.attrs["class_names"]]
            self.intensity_scale: float = float(file.attrs["intensity_scale"])
            self.preprocessing: dict[str, Any] = json.loads(text(file.attrs["preprocessing"]))

    def __repr__(self) -> str:
        return f"Shard({str(self.path)!r})"

    def _open(self) -> h5py.File:
        return open_file(self.path, "site", "shard")

    def _read(self, split: str, name: str, rows: Any = ()) -> numpy.ndarray:
        if split not in SPLITS:
            raise RunError(self.path, f"there is no split {split!r}", f"Known: {', '.join(SPLITS)}.")
        with self._open() as file:
            if name not in file[split]:
                raise RunError(
                    self.path, f"'{split}' has no {name}: the task is {self.task}", "Ask for the other kind."
                )
            try:
                return file[split][name][rows]
            except OSError as error:
                raise RunError(
                    self.path, f"{split}/{name} cannot be read ({error})", "Verify it with `harmofl inspect`."
                ) from None

    def images(self, split: str, rows: Any = ()) -> numpy.ndarray:
        """[N, C, H, W] as stored; divided by `intensity_scale` it is what the network sees. `rows` (a number,
        a slice, sorted numbers) reads those samples alone."""
        return self._read(split, "images", rows)

    def masks(self, split: str, rows: Any = ()) -> numpy.ndarray:
        """uint8 [N, H, W], the class of each pixel."""
        return self._read(split, "masks", rows)

    def labels(self, split: str) -> numpy.ndarray:
        """int64 [N], the class of each image."""
        return self._read(split, "labels")

    def ids(self, split: str) -> list[str]:
        """The names of the samples."""
        return [text(name) for name in self._read(split, "ids")]

    def groups(self, split: str) -> list[str]:
        """The patient of each sample, empty where nobody is named."""
        with self._open() as file:
            if "groups" not in file[split]:
                return [""] * len(file[split]["ids"])
        return [text(name) for name in self._read(split, "groups")]


def open_shard(path: str | pathlib.Path) -> Shard:
    """The shard in a file."""
    return Shard(path)


def find_shards(folder: str | pathlib.Path) -> dict[str, Shard]:
    """The shards of a folder (all *.h5 right in it) by their site."""
    paths = sorted(pathlib.Path(folder).glob("*.h5"))
    if not paths:
        raise RunError(folder, "holds no *.h5", "Give a folder of shards, as data.shards does.")
    return {shard.site: shard for shard in map(Shard, paths)}
