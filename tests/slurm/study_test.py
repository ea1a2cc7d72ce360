# SPDX-License-Identifier: Apache-2.0
"""tools/scaling.py with Slurm: a study as jobs that wait for one another.

By hand as the other end-to-end tests (tests/end_to_end/support.py).
"""

import json
import pathlib
import sys
import unittest

from cluster import Cluster, why_not

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "end_to_end"))
import support

CONFIG = """[run]
rounds = 4
evaluate_every = 100
[data]
shards = {shards}
batch_size = 4
[algorithm]
name = fedavg
"""
# The two nodes are one machine: ranks on both must not meet in its shared memory.
TCP = {"OMPI_MCA_btl": "self,tcp"}


@unittest.skipIf(why_not(), why_not())
class ScalingStudy(support.ProgramTest):
    """A job a run."""

    def test_its_jobs_run_one_after_the_other_and_are_reported_when_they_have_ended(self):
        cluster = Cluster()
        self.addCleanup(cluster.stop)
        config, output = self.folder / "study.ini", self.folder / "study"
        config.write_text(CONFIG.format(shards=support.federation("classification")))
        tool = (sys.executable, support.SOURCE / "tools/scaling.py")
        said = self.succeeds(
            support.run(
                (
                    *tool,
                    "run",
                    "--config",
                    config,
                    "--output",
                    output,
                    "--ranks",
                    "1,2",
                    "--repeat",
                    2,
                    "--warm-up",
                    1,
                    "--launcher",
                    "slurm",
                    "--sbatch=--chdir=" + str(self.folder),
                ),
                env={**TCP, "HARMOFL": support.HARMOFL},
            )
        )
        jobs = [line.split()[1].rstrip(":") for line in said.stderr.splitlines() if line.startswith("job ")]
        self.assertEqual(len(jobs), 4)
        for job in jobs:
            cluster.until_state(job, "COMPLETED", "FAILED", "TIMEOUT", "CANCELLED")
            self.assertEqual(cluster.state(job), ["COMPLETED"], cluster.logs())
        ends = [
            (output / f"ranks-{ranks:04}/run-{run}/summary.json").stat().st_mtime
            for run in (1, 2)
            for ranks in (1, 2)
        ]
        self.assertEqual(ends, sorted(ends))
        self.succeeds(support.run((*tool, "report", output)))
        report = json.loads((output / "report.json").read_text())
        self.assertEqual([(row["ranks"], row["runs"]) for row in report["ranks"]], [(1, 2), (2, 2)])


if __name__ == "__main__":
    support.main()
