# SPDX-License-Identifier: Apache-2.0
"""Folders of images through scanners."""

import json
import math
import pathlib
import shutil
import tempfile
from dataclasses import asdict

import numpy
from PIL import Image

from scanner.draws import generator
from scanner.optics import scanned
from scanner.profile import Scanner, scanners

MASK = "_mask"
MANIFEST = "scanner.json"


class ScannerError(Exception):
    """What cannot be scanned, why, and what to do; one line."""


def sites_of(folder: pathlib.Path) -> list[pathlib.Path]:
    """The folders of the sites, by name."""
    if not folder.is_dir():
        raise ScannerError(f"{folder}: is not a folder. Give one with a folder a site.")
    sites = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    if not sites:
        raise ScannerError(f"{folder}: has no folder of a site. Lay it out as datasets/README.md says.")
    return sites


def images_of(site: pathlib.Path) -> list[pathlib.Path]:
    """The images of a site by name, masks left out; all files must be PNG."""
    found = sorted(path for path in site.iterdir() if not path.name.startswith("."))
    for path in found:
        if path.suffix.lower() != ".png":
            raise ScannerError(f"{path}: is not named .png. Convert it, or move it out of the site.")
    images = [path for path in found if not path.stem.endswith(MASK)]
    if not images:
        raise ScannerError(f"{site}: has no images. Remove the folder, or fill it.")
    return images


def pixels_of(path: pathlib.Path) -> numpy.ndarray:
    """uint8 [H, W, 3]; of grey images three equal channels."""
    try:
        with Image.open(path) as image:
            mode = image.mode
            opaque = mode != "RGBA" or image.getextrema()[3] == (255, 255)
            pixels = numpy.asarray(image.convert("RGB"))
    except (OSError, ValueError, SyntaxError) as error:
        raise ScannerError(f"{path}: cannot be read as PNG ({error}). Restore it from a copy.") from None
    if mode not in ("L", "RGB", "RGBA") or not opaque:
        raise ScannerError(f"{path}: is of mode {mode}. Give opaque images of 8 bits, grey or colour.")
    return pixels


def scan_site(
    site: pathlib.Path, output: pathlib.Path, scanner: Scanner, strength: float, seed: int, stain: bool
) -> int:
    """Scans the images of a site and copies their masks; gives the number of images."""
    output.mkdir()
    images = images_of(site)
    for path in images:
        mask = path.with_name(f"{path.stem}{MASK}{path.suffix}")
        if mask.is_file():
            shutil.copyfile(mask, output / mask.name)
        if strength == 0:
            shutil.copyfile(path, output / path.name)
            continue
        # The same noise at every strength, whatever other images there are.
        noise = generator("noise", seed, site.name, path.stem)
        Image.fromarray(scanned(pixels_of(path), scanner, noise, stain)).save(output / path.name)
    return len(images)


def manifest(profiles: dict[str, Scanner], strength: float, seed: int, stain: bool) -> str:
    """scanner.json: what every site's images went through."""
    sites = {site: asdict(scanner) for site, scanner in profiles.items()}
    facts = {"strength": strength, "seed": seed, "stain": stain, "numpy": numpy.__version__, "sites": sites}
    return json.dumps(facts, indent=1) + "\n"


def scan_folders(
    source: pathlib.Path, output: pathlib.Path, strength: float, seed: int, stain: bool = False
) -> dict[str, int]:
    """Scans every site of `source` into `output`, which appears when all is there; images by site. The last
    site by name has the scanner that is least like the others."""
    if not (math.isfinite(strength) and 0 <= strength <= 1):
        raise ScannerError(f"strength = {strength:g} is not a number from 0 to 1. Correct it.")
    if output.exists():
        raise ScannerError(f"{output}: is there already. Give another folder, or remove it.")
    sites = sites_of(source)
    profiles = {
        site.name: scanner.at(strength) for site, scanner in zip(sites, scanners(seed, len(sites), stain))
    }
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{output.name}.", dir=output.parent) as folder:
        part = pathlib.Path(folder) / "part"
        part.mkdir()
        counts = {
            site.name: scan_site(site, part / site.name, profiles[site.name], strength, seed, stain)
            for site in sites
        }
        (part / MANIFEST).write_text(manifest(profiles, strength, seed, stain), encoding="utf-8")
        part.rename(output)
    return counts
