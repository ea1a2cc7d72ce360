# SPDX-License-Identifier: Apache-2.0
"""The shards of a federation: images prepared once at the study's size, dealt to sites, scanned, prepared
again.

`harmofl-prepare` does both preparations; the second finds images of the right size and changes nothing of
them."""

import csv
import os
import pathlib
import shutil
import subprocess
import tempfile

import numpy
from PIL import Image

from harmofl_runs import find_shards
from scanner.draws import generator
from scanner.folders import MANIFEST, scan_folders
from study.errors import StudyError
from study.experiments import GROUPS, REAL
from study.plan import Data, site_names

SPLITS = ("train", "val", "test")
SPLIT, DEAL_SEED = "64/16/20", 0
LIST = "list.csv"


def deal(ids: dict[tuple[str, str], list[str]], sites: int) -> dict[str, tuple[str, str]]:
    """Site and split of each image, from the images by group and split: those of a group and split are
    shuffled and go to the sites in turn, where the one before stopped. Every site has the same mix, to one
    image of each."""
    found: dict[str, tuple[str, str]] = {}
    turn = dict.fromkeys(SPLITS, 0)
    for (group, split), names in sorted(ids.items()):
        order = generator("deal", DEAL_SEED, group, split).permutation(len(names))
        for index in order:
            name = sorted(names)[index]
            if name in found:
                raise StudyError(f"{name}: two images have this name. Give one of them another.")
            found[name] = (site_names(sites)[turn[split] % sites], split)
            turn[split] += 1
    return found


class Store:
    """The folder of the data; what is there is kept."""

    def __init__(self, folder: pathlib.Path, source: pathlib.Path, prepare: str, size: int) -> None:
        self.folder, self.source, self.prepare, self.size = folder, source, prepare, size

    def shards(self, data: Data) -> pathlib.Path:
        """The folder of the shards, made if need be."""
        if data.modality == REAL:
            return self._base(REAL)
        final = self.folder / f"{self.size}px" / data.name
        if not (final / MANIFEST).is_file():
            dealt = self.dealt(data.modality, data.sites)
            with self._fresh(final) as part:
                scanned, stain = part.parent / "scanned", data.modality == "stained"
                scan_folders(dealt, scanned, data.strength, data.draw, stain)
                self._prepare(scanned, part, "--list", str(dealt / LIST))
                shutil.copyfile(scanned / MANIFEST, part / MANIFEST)
                self._keep(part, final)
        return final

    def taking_part(self, data: Data, held_out: str) -> pathlib.Path:
        """A folder with the shards of the sites that train alone, as links."""
        every = self.shards(data)
        if not held_out:
            return every
        final = every / f"without-{held_out}"
        if not final.is_dir():
            with self._fresh(final) as part:
                part.mkdir()
                for shard in every.glob("*.h5"):
                    if shard.stem != held_out:
                        os.link(shard, part / shard.name)
                self._keep(part, final)
        return final

    def dealt(self, modality: str, sites: int) -> pathlib.Path:
        """Images and masks in folders of the sites that they are dealt to, and the list of their splits."""
        final = self.folder / f"{self.size}px" / f"dealt-{modality}-{sites}"
        if not (final / LIST).is_file():
            base = find_shards(self._base(modality))
            ids = {(group, split): shard.ids(split) for group, shard in base.items() for split in SPLITS}
            places = deal(ids, sites)
            with self._fresh(final) as part:
                for site in site_names(sites):
                    (part / site).mkdir(parents=True)
                for shard in base.values():
                    for split in SPLITS:
                        write_images(shard, split, places, part)
                with (part / LIST).open("w", newline="") as file:
                    lines = csv.writer(file, lineterminator="\n")
                    lines.writerow(("id", "site", "split"))
                    lines.writerows((name, *place) for name, place in sorted(places.items()))
                self._keep(part, final)
        return final

    def _base(self, modality: str) -> pathlib.Path:
        """Shards of the original groups at the study's size."""
        final = self.folder / f"{self.size}px" / f"base-{modality}"
        if not final.is_dir():
            with self._fresh(final) as part:
                sites = ",".join(GROUPS[modality])
                self._prepare(self.source, part, "--sites", sites, "--split", SPLIT, "--seed", str(DEAL_SEED))
                self._keep(part, final)
        return final

    def _prepare(self, source: pathlib.Path, output: pathlib.Path, *options: str) -> None:
        words = [self.prepare, "images", "--input", str(source), "--output", str(output)]
        words += ["--size", f"{self.size}x{self.size}", *options]
        try:
            found = subprocess.run(words, capture_output=True, text=True, check=False)
        except OSError as error:
            raise StudyError(
                f"{self.prepare}: cannot be run ({error.strerror}). Build it, or give --prepare."
            ) from None
        if found.returncode != 0:
            last = (found.stderr.strip().splitlines() or ["it said nothing"])[-1]
            raise StudyError(f"harmofl-prepare ended with {found.returncode}: {last}")

    @staticmethod
    def _fresh(final: pathlib.Path) -> "Fresh":
        final.parent.mkdir(parents=True, exist_ok=True)
        return Fresh(final)

    @staticmethod
    def _keep(part: pathlib.Path, final: pathlib.Path) -> None:
        """Puts a finished folder in its place; another process may have been first, with the same."""
        try:
            part.rename(final)
        except OSError:
            if not final.is_dir():
                raise


class Fresh(tempfile.TemporaryDirectory):
    """A temporary folder beside `final`; gives the path of a folder in it that is yet to be made."""

    def __init__(self, final: pathlib.Path) -> None:
        super().__init__(prefix=f".{final.name}.", dir=final.parent)

    def __enter__(self) -> pathlib.Path:
        return pathlib.Path(super().__enter__()) / "part"


def write_images(shard, split: str, places: dict[str, tuple[str, str]], folder: pathlib.Path) -> None:
    """The images and masks of a split as PNG, into the folders of the sites that they were dealt to."""
    images, masks = shard.images(split), shard.masks(split)
    if images.dtype != numpy.uint8 or shard.intensity_scale != 255:
        raise StudyError(
            f"{shard.path}: holds {images.dtype} of scale {shard.intensity_scale:g}. Give images of 8 bits."
        )
    for name, image, mask in zip(shard.ids(split), images, masks):
        site = folder / places[name][0]
        Image.fromarray(numpy.moveaxis(image, 0, 2)).save(site / f"{name}.png")
        Image.fromarray((mask > 0).astype(numpy.uint8) * 255).save(site / f"{name}_mask.png")
