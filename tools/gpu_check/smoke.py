# SPDX-License-Identifier: Apache-2.0
"""A small federation, trained as a user would: on the CPU at 1 and 2 ranks, whose exact sums must give
the same run, or on the GPU in every precision.

    python3 -m gpu_check.smoke BUNDLE FOLDER cpu|cuda
"""

import json
import math
import pathlib
import shutil
import subprocess
import sys

from .parts import SKIPPED

CANNOT = "device.type = cuda, but"  # how harmofl begins to say that no GPU can be used

COMMON = (
    "--model.width",
    "4",
    "--data.batch_size",
    "4",
    "--run.rounds",
    "3",
    "--comm.reduce",
    "exact",
    "--device.threads",
    "1",
)
# On a GPU: the way, its options.
WAYS = {
    "fp32": ("--device.precision", "fp32"),
    "tf32": ("--device.precision", "tf32"),
    "bf16": ("--device.precision", "bf16", "--model.memory_format", "channels-last"),
    "graphs": ("--device.graphs", "true"),
}


class Failed(Exception):
    """A command failed, or runs differ; says which."""


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Failed(
            f"{' '.join(command)}\nexit status {done.returncode}\n{done.stdout}{done.stderr}".rstrip()
        )
    return done.stdout


class Bundle:
    """The programs of a bundle, with a federation of two sites in `folder`."""

    def __init__(self, root, folder):
        self.root, self.folder = root, folder
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        self.shards = str(folder / "shards")
        run(
            str(root / "bin/harmofl"),
            "synthesize",
            "--output",
            self.shards,
            "--sites",
            "2",
            "--size",
            "32x32",
        )

    def train(self, name, ranks, *options):
        """The lines of metrics.jsonl, without the time that each took: the same at any number of ranks."""
        output = self.folder / name
        launcher = (str(self.root / "bin/mpirun"), "-n", str(ranks)) if ranks > 1 else ()
        words = ("--data.shards", self.shards, "--run.output", str(output), *COMMON, *options)
        run(*launcher, str(self.root / "bin/harmofl"), "train", *words)
        return [
            without_seconds(json.loads(line)) for line in (output / "metrics.jsonl").read_text().splitlines()
        ]


def without_seconds(line):
    return {key: value for key, value in line.items() if key != "seconds"}


def difference(one, other):
    """The first difference of two lists of lines that must be the same, as text; "" without."""
    if len(one) != len(other):
        return f"{len(one)} lines of metrics.jsonl and {len(other)}"
    for a, b in zip(one, other):
        if a != b:
            return f"{a} and {b}"
    return ""


def train_losses(lines):
    return [line["loss"] for line in lines if line["split"] == "train"]


def on_cpu(bundle):
    one = bundle.train("ranks-1", 1)
    problem = difference(one, bundle.train("ranks-2", 2))
    if problem:
        raise Failed(f"1 and 2 ranks differ: {problem}")
    print(f"the same {len(one)} lines of measures at 1 and 2 ranks; train losses {train_losses(one)}")


def on_gpu(bundle):
    for way, options in WAYS.items():
        losses = train_losses(bundle.train(way, 1, "--device.type", "cuda", *options))
        if not losses or not all(math.isfinite(loss) for loss in losses):
            raise Failed(f"{way}: train losses {losses}")
        print(f"{way}: train losses {losses}", flush=True)


def main():
    root, work, device = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), sys.argv[3]
    try:
        bundle = Bundle(root, work / f"train-{device}")
        if device == "cpu":
            on_cpu(bundle)
        else:
            on_gpu(bundle)
    except Failed as problem:
        print(problem)
        if CANNOT in str(problem):
            sys.exit(SKIPPED)
        sys.exit(1)


if __name__ == "__main__":
    main()
