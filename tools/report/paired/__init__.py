# SPDX-License-Identifier: Apache-2.0
"""Paired statistics of methods: docs/guides/comparing.md says what is computed and how often it errs.

Numbers in, numbers out: nothing here reads files or knows of runs."""

from report.paired.compare import Comparison, at_site, compare
from report.paired.differences import Differences

__all__ = ["Comparison", "Differences", "at_site", "compare"]
