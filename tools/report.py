#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""One page of any number of runs: scores, paired differences, curves, and what else the run folders hold.

    tools/report.py RUN... --output report.html [--baseline GROUP] [--measure NAME] [--figures DIR]
    tools/report.py RUN... --scaling STUDY --output report.html ...
    tools/report.py RUN... --against strength --output report.html ...

RUN is a run folder, or a folder with run folders below it. Runs that differ in nothing but their seed are
one group. The page is one file and loads nothing. Needs what tools/install-deps.sh puts into .deps/venv.
docs/guides/comparing.md says what is in it.
"""

import argparse
import pathlib
import sys

from harmofl_runs import RunError, find_runs
from report import against_page, page, plain, scaling
from report.against import arrange
from report.study import make_study


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("runs", nargs="+", metavar="RUN", type=pathlib.Path)
    parser.add_argument("--output", type=pathlib.Path, help="the page; without it only the table is printed")
    parser.add_argument("--baseline", help="group that the others are compared with (default: fedavg)")
    parser.add_argument("--measure", help="what is compared (default: what the runs were judged by)")
    parser.add_argument("--shards", type=pathlib.Path, help="folder of the shards (default: as the runs say)")
    parser.add_argument("--figures", type=pathlib.Path, help="folder for each plot as SVG or PNG, and CSV")
    parser.add_argument(
        "--scaling",
        metavar="STUDY",
        type=pathlib.Path,
        help="a folder of tools/scaling.py, as a section more",
    )
    parser.add_argument(
        "--against",
        metavar="KEY",
        help="a fact of tools/study.py's study.json: methods by strength or held_out, say",
    )
    parser.add_argument("--title", default="Federated runs", help="heading of the page")
    return parser.parse_args()


def main() -> int:
    options = arguments()
    if options.figures and not options.output:
        print("error: --figures needs --output, the page whose plots they are.", file=sys.stderr)
        return 2
    if options.scaling and (options.against or not options.output):
        print("error: --scaling is a section of a page: give --output, without --against.", file=sys.stderr)
        return 2
    try:
        if options.against:
            found = arrange(find_runs(*options.runs), options.against, options.baseline, options.measure)
            print(against_page.plain(found))
            if options.output:
                against_page.write(found, options.title, options.output, options.figures)
            return 0
        study = make_study(find_runs(*options.runs), options.baseline, options.measure, options.shards)
        print(plain.table(study))
        if options.output:
            scaled = scaling.read(options.scaling) if options.scaling else None
            page.write(study, options.title, options.output, options.figures, scaled)
    except RunError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
