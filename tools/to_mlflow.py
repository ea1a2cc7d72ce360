#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs in MLflow: configuration, metrics by round, best round, provenance and files.

    .deps/venv/bin/python tools/to_mlflow.py RUN... --tracking-uri URI [--experiment NAME] [--models] [--anew]

RUN is a run folder, or a folder with run folders below it; URI an MLflow server or what else MLflow takes
(default: MLFLOW_TRACKING_URI). Only reads the run folders. Called again, while a run goes on or after it was
resumed, it adds what is new: the run in MLflow is found by the tag harmofl.folder. Needs MLflow's client
(tools/install-deps.sh --mlflow). docs/guides/watching.md says what goes where.
"""

import argparse
import os
import pathlib
import sys

from harmofl_runs import RunError, find_runs

REMEDY = "tools/install-deps.sh --mlflow installs it into .deps/venv."


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("runs", nargs="+", metavar="RUN", type=pathlib.Path)
    parser.add_argument("--tracking-uri", default=os.environ.get("MLFLOW_TRACKING_URI", ""))
    parser.add_argument(
        "--experiment", default="harmofl", help="made where it is not there (default: harmofl)"
    )
    parser.add_argument("--models", action="store_true", help="best.h5 as an artifact, too")
    parser.add_argument("--anew", action="store_true", help="new runs in MLflow, whatever is there")
    return parser.parse_args()


def main() -> int:
    options = arguments()
    if not options.tracking_uri:
        print("error: --tracking-uri is not set, nor is MLFLOW_TRACKING_URI. Give one.", file=sys.stderr)
        return 2
    try:
        import mlflow.exceptions

        from mlflow_export.export import Exporter
    except ImportError as error:
        print(f"error: MLflow's client is not there ({error}). {REMEDY}", file=sys.stderr)
        return 1
    try:
        exporter = Exporter(options.tracking_uri, options.experiment, options.models, options.anew)
        for run in find_runs(*options.runs):
            print(exporter.export(run))
    except RunError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except mlflow.exceptions.MlflowException as error:
        text = " ".join(str(error).split())
        print(f"error: MLflow at {options.tracking_uri}: {text}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
