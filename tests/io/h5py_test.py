#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks that h5py reads a shard as docs/shard-format.md describes it.

    h5py_test.py SHARD [PATIENTS]

With PATIENTS, a number, the shard names so many patients. Exit status: 0 it does; 1 it does not; 77 h5py is
not installed.
"""

import json
import sys

try:
    import h5py
    import numpy
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)

TARGETS = {"segmentation": ("masks", numpy.uint8), "classification": ("labels", numpy.int64)}


def check(path, patients=None):
    with h5py.File(path, "r") as shard:
        facts = shard.attrs
        assert facts["format_version"] == 1
        assert isinstance(facts["site"], str) and facts["site"]
        assert facts["intensity_scale"] > 0
        assert isinstance(json.loads(facts["preprocessing"]), dict)
        assert len(facts["source_checksum"]) in (0, 32)
        classes = list(facts["class_names"])
        name, dtype = TARGETS[facts["task"]]
        seen = []
        named = set()
        for split in ("train", "val", "test"):
            images, targets = shard[split]["images"], shard[split][name]
            ids = [text.decode() for text in shard[split]["ids"]]
            assert images.dtype in (numpy.uint8, numpy.float32) and images.ndim == 4
            assert targets.dtype == dtype
            assert len(images) == len(targets) == len(ids)
            assert len(images.attrs["xxh3"]) == len(targets.attrs["xxh3"]) == 32
            if ids:
                assert images.fletcher32 and images.chunks == (1, *images.shape[1:])
                assert numpy.isfinite(images[:]).all()
                assert 0 <= targets[:].min() and targets[:].max() < len(classes)
            if "groups" in shard[split]:
                groups = [text.decode() for text in shard[split]["groups"]]
                assert len(groups) == len(ids) and any(groups)
                named |= set(groups) - {""}
            seen += ids
            print(f"{path}: {split}: {images.shape} {images.dtype}")
        assert len(seen) == len(set(seen))
        assert patients is None or len(named) == patients, named


if __name__ == "__main__":
    check(sys.argv[1], *map(int, sys.argv[2:]))
