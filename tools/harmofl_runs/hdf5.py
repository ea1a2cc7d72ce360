# SPDX-License-Identifier: Apache-2.0
"""Opening HDF5 files with errors that name them."""

import pathlib

import h5py

from harmofl_runs.errors import RunError

VERSION = 1  # of both formats: docs/checkpoint-format.md, docs/shard-format.md


def open_file(path: str | pathlib.Path, attribute: str, what: str) -> h5py.File:
    """A file of version 1 whose root has an attribute that tells what it is."""
    if not pathlib.Path(path).is_file():
        raise RunError(path, "is not a file", f"Give a {what}.")
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise RunError(path, f"HDF5 cannot open it ({error})", "Look at it with `harmofl inspect`.") from None
    version = file.attrs.get("format_version")
    if attribute not in file.attrs or version != VERSION:
        file.close()
        found = f"has no attribute {attribute}" if version == VERSION else f"has format_version {version}"
        raise RunError(path, found, f"Give a {what} of version {VERSION}.")
    return file


def text(value: str | bytes) -> str:
    """A string as h5py gives it."""
    return value.decode() if isinstance(value, bytes) else str(value)
