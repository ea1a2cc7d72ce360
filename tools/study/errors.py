# SPDX-License-Identifier: Apache-2.0
"""The one exception of this package."""


class StudyError(Exception):
    """What cannot be done, why, and what to do; one line."""
