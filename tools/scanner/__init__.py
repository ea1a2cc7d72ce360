# SPDX-License-Identifier: Apache-2.0
"""Simulated scanners for real images: who has which, and what they do. docs/guides/study.md has the formulas.

`harmofl synthesize` has scanners too (src/data/synthetic/scanner.cpp), of scenes that it draws itself.
Those here take images that another scanner has made, so that strength 0 must leave every byte alone."""

from scanner.profile import Scanner, scanners

__all__ = ["Scanner", "scanners"]
