#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Draws small and large partitions with tools/plot_partition.py and makes its mistakes.

Exit status: 0 all passed; 1 not; 77 matplotlib is not installed.
"""

import pathlib
import subprocess
import sys
import tempfile
import unittest

try:
    import matplotlib  # noqa: F401
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)

TOOL = pathlib.Path(__file__).resolve().parents[2] / "tools/plot_partition.py"
HEADER = "client,split,site,id\n"


class PlotPartition(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def write(self, sizes, header=HEADER):
        """A partition of one client a size, from two sites in turn."""
        rows = (
            f"client_{client:04},train,site_{i % 2},{client}_{i}\n"
            for client, size in enumerate(sizes)
            for i in range(size)
        )
        (self.folder / "partition.csv").write_text(header + "".join(rows))

    def plot(self, *arguments):
        return subprocess.run([sys.executable, TOOL, *arguments], capture_output=True, text=True, check=False)

    def test_a_run_folder_gets_a_picture_beside_the_table(self):
        for sizes in ([5, 1, 9], range(1, 400)):
            self.write(sizes)
            done = self.plot(self.folder)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn(
                f"{sum(sizes)} train images, {len(sizes)} clients of {min(sizes)} to {max(sizes)}",
                done.stdout,
            )
            picture = self.folder / "partition.png"
            self.assertEqual(picture.read_bytes()[:8], b"\x89PNG\r\n\x1a\n")
            picture.unlink()

    def test_mistakes_are_named(self):
        self.assertEqual(self.plot(self.folder).returncode, 1)
        self.write([2], "client,site\n")
        self.assertIn("expected the columns client,split,site,id", self.plot(self.folder).stderr)
        self.write([2])
        self.assertIn("holds no val images", self.plot(self.folder, "--split", "val").stderr)
        self.assertIn("there is no shard", self.plot(self.folder, "--shards", self.folder).stderr)
        self.assertFalse((self.folder / "partition.png").exists())


if __name__ == "__main__":
    unittest.main()
