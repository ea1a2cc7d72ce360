#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the checksums of all that tools/install-deps.sh fetches from the package index.

    .deps/venv/bin/python tools/update_hashes.py [FILE...]      (default: tools/requirements/*.txt)

To be run after a version in such a file was changed, and its result looked at: it believes the
index as it is now. Every file is a list for pip, a package and its version a line. Kept are the
checksums of the wheels for Linux (x86-64 and ARM) and CPython 3.11 or newer; of a package without
wheels those of its sources.
"""

import json
import pathlib
import re
import sys
import urllib.request

from pip._internal.models.index import PyPI
from pip._vendor.packaging.utils import (
    InvalidSdistFilename,
    InvalidWheelFilename,
    parse_sdist_filename,
    parse_wheel_filename,
)

FOLDER = pathlib.Path(__file__).parent / "requirements"
OLDEST = 11  # CPython 3.x
JSON = "application/vnd.pypi.simple.v1+json"


def fits(tag):
    """Whether wheels of this tag run on a machine that harmofl is built on."""
    version = re.fullmatch(r"cp3(\d+)", tag.interpreter)
    newer = tag.interpreter.startswith("py") or (
        version is not None and (int(version[1]) >= OLDEST or tag.abi == "abi3")
    )
    anywhere = tag.platform == "any"
    linux = "linux" in tag.platform and tag.platform.endswith(("x86_64", "aarch64"))
    return newer and tag.abi != f"{tag.interpreter}t" and (anywhere or (linux and "musl" not in tag.platform))


def is_wheel(name, version):
    """Whether a file is a wheel of that version that fits."""
    try:
        _, its_version, _, tags = parse_wheel_filename(name)
    except InvalidWheelFilename:
        return False
    return str(its_version) == version and any(fits(tag) for tag in tags)


def is_source(name, version):
    """Whether a file is the source package of that version."""
    try:
        return str(parse_sdist_filename(name)[1]) == version
    except InvalidSdistFilename:
        return False


def hashes(package, version):
    """Checksums of the package's files of that version, sorted."""
    request = urllib.request.Request(f"{PyPI.simple_url}/{package}/", headers={"Accept": JSON})
    with urllib.request.urlopen(request) as answer:
        files = json.load(answer)["files"]
    for kind in (is_wheel, is_source):
        found = sorted(file["hashes"]["sha256"] for file in files if kind(file["filename"], version))
        if found:
            return found
    sys.exit(f"error: {package} {version}: the index has no file that fits. Correct the version.")


def updated(text):
    """A list for pip with the checksums of today."""
    lines = []
    for line in text.splitlines():
        pin = re.match(r"([A-Za-z0-9._-]+)(?:\[[a-z,]+\])?==(\S+)", line)
        if pin:
            sums = hashes(pin[1], pin[2])
            lines.append(" \\\n".join([pin[0], *(f"    --hash=sha256:{value}" for value in sums)]))
        elif not line.lstrip().startswith("--hash"):
            lines.append(line)
    return "\n".join(lines) + "\n"


def main():
    for path in [pathlib.Path(name) for name in sys.argv[1:]] or sorted(FOLDER.glob("*.txt")):
        path.write_text(updated(path.read_text()))


if __name__ == "__main__":
    main()
