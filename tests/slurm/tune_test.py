# SPDX-License-Identifier: Apache-2.0
"""tools/tune.py with Slurm: an array of jobs a rung, one of them interrupted.

By hand as the other end-to-end tests (tests/end_to_end/support.py).
"""

import csv
import pathlib
import sys
import unittest

from cluster import Cluster, why_not

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "end_to_end"))
import support

CONFIG = """[run]
rounds = 4
[data]
shards = {shards}
batch_size = 4
[model]
width = 2
[comm]
reduce = exact
"""
SITE = """
prepare_site() { export OMPI_MCA_btl=self,tcp; }
program=("$HARMOFL")
launcher=mpirun
mpirun_options=()
when_saved=requeue
"""


@unittest.skipIf(why_not(), why_not())
class TuneInArrays(support.ProgramTest):
    """A rung after the other, and the report."""

    def rows(self, output):
        with open(output / "trials.csv", newline="", encoding="utf-8") as file:
            return [{**row, "seconds": ""} for row in csv.DictReader(file)]

    def test_arrays_come_to_what_one_machine_does(self):
        cluster = Cluster()
        self.addCleanup(cluster.stop)
        (self.folder / "space.ini").write_text("[all]\ntrain.lr = log-uniform 1e-3..1e16\n")
        (self.folder / "config.ini").write_text(CONFIG.format(shards=support.federation()))
        (self.folder / "site.sh").write_text(SITE)

        def tune(output, *arguments):
            return support.run(
                [
                    *(sys.executable, support.SOURCE / "tools/tune.py", "--methods", "fedavg", "harmofl"),
                    *("--space", self.folder / "space.ini", "--budget", 130, "--halving", 2, "--rungs", 2),
                    *("--config", self.folder / "config.ini", "--output", output, *arguments),
                ],
                env={
                    "HARMOFL": support.HARMOFL,
                    "HARMOFL_ROOT": str(support.SOURCE),
                    "HARMOFL_SITE": str(self.folder / "site.sh"),
                    "HARMOFL_PYTHON": sys.executable,
                },
            )

        there = self.folder / "there"
        out = f"--sbatch=--output={self.folder}/%x-%a.out"
        said = self.succeeds(tune(there, "--array", 2, out, "--sbatch=--time=10"))
        jobs = [line.split()[1].rstrip(":") for line in said.stderr.splitlines() if line.startswith("job ")]
        self.assertEqual(len(jobs), 3, said)
        for job in jobs:
            cluster.until_state(job, "COMPLETED", "FAILED", "TIMEOUT", "CANCELLED")
            texts = "".join(path.read_text() for path in self.folder.glob("*.out"))
            self.assertEqual(set(cluster.state(job)), {"COMPLETED"}, cluster.logs() + texts)
        here = self.folder / "here"
        self.succeeds(tune(here, "--jobs", 2))
        self.assertEqual(self.rows(there), self.rows(here))
        self.assertIn("diverged", {row["status"] for row in self.rows(there)})
        self.assertTrue((there / "best/harmofl.ini").exists())


if __name__ == "__main__":
    support.main()
