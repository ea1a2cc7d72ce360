#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Recomputes finished runs of `harmofl train` in plain PyTorch and compares the results.

    tools/recompute_rounds.py RUN_FOLDER... [--initial FILE.h5] [--tolerance 1e-3]

A run can be recomputed that had data.shuffle = false, data.augment = false and
run.save_initial = true. Its data.shards is opened as config.ini spells it, so call this from the
folder that the run was started in. One line is printed for each thing compared, clients by the
worst of them:

  parameters   sqrt(sum ||w_got - w_exp||^2) / sqrt(sum ||w_exp - w_initial||^2)
  buffers      the largest max|b_got - b_exp| / max|b_exp| of all buffers
  vectors      ||v_got - v_exp|| / ||v_exp||  (state of clients and server)

Tensors that stay at the sites (FedBN, model.buffers = local) are compared there and not in the
global model; moments of optimisers are not compared. A run ends with "agrees" or "differs". Exit
status: 0 all agree, 1 one differs, 2 one cannot be recomputed. Needs PyTorch for Python
(tools/install-deps.sh --pytorch; then PYTHONPATH=.deps/libtorch).
"""

import argparse
import pathlib
import sys

try:
    import torch
except ImportError:
    print("error: Python cannot import torch. Install it: tools/install-deps.sh --pytorch, then "
          "PYTHONPATH=.deps/libtorch", file=sys.stderr)
    sys.exit(2)

from recompute import comparison, inputs, settings, simulation


def check(folder, initial, tolerance):
    """Recomputes a run and prints the comparison; returns the exit status for it."""
    try:
        options = settings.read_settings(folder / "config.ini")
        checkpoint = inputs.Checkpoint(folder / "checkpoint.h5")
        if options.model_memory_format == "channels-last":
            checkpoint.undo_channels_last()
        recomputed = simulation.recompute(options, checkpoint, initial or folder / "initial.h5")
    except settings.InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"{folder}: {options.algorithm_name}, {options.run_rounds} rounds")
    agrees = comparison.compare(recomputed, checkpoint, tolerance)
    print("agrees" if agrees else "differs", flush=True)
    return 0 if agrees else 1


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("runs", nargs="+", type=pathlib.Path, metavar="RUN_FOLDER")
    parser.add_argument("--initial", type=pathlib.Path, metavar="FILE.h5",
                        help="the model before the first round; default: the run's initial.h5")
    parser.add_argument("--tolerance", type=float, default=1e-3)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    return max(check(run, arguments.initial, arguments.tolerance) for run in arguments.runs)


if __name__ == "__main__":
    sys.exit(main())
