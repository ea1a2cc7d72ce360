#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Puts the images of every site through a simulated scanner of its own.

    tools/scanner.py INPUT OUTPUT --strength 0.5 [--seed 0] [--stain]

INPUT is laid out as datasets/README.md says: INPUT/<site>/<id>.png and <id>_mask.png, 8 bits. OUTPUT gets
the same names; masks are copied. The parameters of a site are drawn from the seed and grow linearly with
the strength, from 0 (the same bytes) to 1. OUTPUT/scanner.json holds them. docs/guides/study.md has the
formulas."""

import argparse
import pathlib
import sys

from scanner.folders import ScannerError, scan_folders


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("input", type=pathlib.Path)
    parser.add_argument("output", type=pathlib.Path, help="must not be there yet")
    parser.add_argument("--strength", type=float, required=True, help="from 0 (nothing changes) to 1")
    parser.add_argument("--seed", type=int, default=0, help="of the scanners and their noise (default: 0)")
    parser.add_argument("--stain", action="store_true", help="also another stain: for H&E on white ground")
    return parser.parse_args()


def main() -> int:
    options = arguments()
    try:
        found = scan_folders(options.input, options.output, options.strength, options.seed, options.stain)
    except ScannerError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    for site, count in found.items():
        print(f"{site}  {count} images")
    return 0


if __name__ == "__main__":
    sys.exit(main())
