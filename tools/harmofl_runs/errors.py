# SPDX-License-Identifier: Apache-2.0
"""The one exception of this package, and reading text with it."""

import pathlib


class RunError(Exception):
    """Something that cannot be read; the text names the file, what was found, and what to do."""

    def __init__(self, path: str | pathlib.Path, found: str, remedy: str) -> None:
        super().__init__(f"{path}: {found}. {remedy}")
        self.path = pathlib.Path(path)


def read_text(path: pathlib.Path, remedy: str) -> str:
    """The content of a text file; `remedy` says what makes the file where it is not there."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise RunError(path, "there is no such file", remedy) from None
    except UnicodeDecodeError as error:
        raise RunError(path, f"byte {error.start} is not UTF-8", "Restore the file from a copy.") from None
    except OSError as error:
        raise RunError(path, f"cannot be read ({error.strerror})", "Make it readable.") from None
