# SPDX-License-Identifier: Apache-2.0
"""The errors of this package."""


class TuneError(Exception):
    """Something that cannot be tuned; the text says what, why, and what to do."""


class Interrupted(Exception):
    """Asked to end: the runs in progress are saved, and the same call goes on."""
