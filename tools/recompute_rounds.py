#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Recomputes finished runs of `harmofl train` in plain PyTorch and compares the results.

    tools/recompute_rounds.py RUN_FOLDER... [--initial FILE.h5] [--tolerance 1e-3] [--noise 1e-6]

A run can be recomputed that had run.save_initial = true and the networks cnn or unet, on the CPU in
fp32. Its data.shards and fleet.table are opened as config.ini spells them, so call this from the
folder that the run was started in. Orders of images, augmentation, cohorts and what becomes of the
simulated devices are drawn anew from run.seed; who holds which images is read from partition.csv.
One line is printed for each thing compared, clients by the worst of them:

  parameters   sqrt(sum ||w_got - w_exp||^2) / sqrt(sum ||w_exp - w_initial||^2)
  buffers      the largest max|b_got - b_exp| / max|b_exp| of all buffers
  vectors      ||v_got - v_exp|| / ||v_exp||  (state of clients and server)

Another rounding of the last bit may decide a ReLU or a max-pool otherwise, after which small
networks end 1e-3 to 1e-1 away. With --noise the run is recomputed three more times, from initial
weights moved by so much of their size, and the largest error of these is printed as "sensitivity":
where it is small, rounding explains no large error. The program has no part in that.

Tensors that stay at the sites (FedBN, model.buffers = local) are compared there and not in the
global model; moments of optimisers are not compared. A run ends with "agrees" or "differs". Exit
status: 0 all agree, 1 one differs, 2 one cannot be recomputed. Needs PyTorch for Python
(tools/install-deps.sh --pytorch; then PYTHONPATH=.deps/libtorch).
"""

import argparse
import pathlib
import sys

NO_PYTORCH = (
    "error: Python cannot import {name}. Install it: tools/install-deps.sh --pytorch, "
    "then PYTHONPATH=.deps/libtorch"
)


def sensitivity(recomputed, start, folder, checkpoint, noise):
    """How far the recomputation moves when its initial weights do."""
    from recompute import comparison, simulation

    options = recomputed.settings
    moved = [simulation.recompute(options, checkpoint, folder, start, noise, number) for number in (1, 2, 3)]
    for other in moved:
        other.initial = recomputed.initial
    return comparison.movement(recomputed, moved, checkpoint.order)


def check(folder, initial, tolerance, noise):
    """Recomputes a run and prints the comparison; returns the exit status for it."""
    from recompute import comparison, inputs, settings, simulation  # needs PyTorch

    try:
        options = settings.read_settings(folder / "config.ini")
        checkpoint = inputs.Checkpoint(folder / "checkpoint.h5")
        if options.model_memory_format == "channels-last":
            checkpoint.undo_channels_last()
        rounds = inputs.read_rounds(folder / "rounds.jsonl")
        start = initial or folder / "initial.h5"
        recomputed = simulation.recompute(options, checkpoint, folder, start)
    except settings.InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"{folder}: {options.algorithm_name}, {options.run_rounds} rounds")
    if noise > 0:
        moved = sensitivity(recomputed, start, folder, checkpoint, noise)
        print(f"sensitivity {moved:.3e}")
    agrees = comparison.compare(recomputed, checkpoint, rounds, tolerance)
    print("agrees" if agrees else "differs", flush=True)
    return 0 if agrees else 1


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("runs", nargs="+", type=pathlib.Path, metavar="RUN_FOLDER")
    parser.add_argument(
        "--initial",
        type=pathlib.Path,
        metavar="FILE.h5",
        help="the model before the first round; default: the run's initial.h5",
    )
    parser.add_argument("--tolerance", type=float, default=1e-3)
    parser.add_argument("--noise", type=float, default=0.0)
    arguments = parser.parse_args()
    try:
        import h5py  # noqa: F401
        import torch
    except (ImportError, OSError) as error:
        print(NO_PYTORCH.format(name=error.name or error), file=sys.stderr)
        return 2
    torch.set_num_threads(1)
    return max(check(run, arguments.initial, arguments.tolerance, arguments.noise) for run in arguments.runs)


if __name__ == "__main__":
    sys.exit(main())
