# SPDX-License-Identifier: Apache-2.0
"""tools/scaling.py: what it makes of runs whose numbers are known, and what it would run.

By hand, from the root of the checkout: .deps/venv/bin/python tests/tools/scaling_test.py
"""

import contextlib
import csv
import importlib.util
import io
import json
import tempfile
import types
import unittest
from unittest import mock

from scaling_support import AGGREGATE, REST, SOURCE, FolderTest, write_lines, write_run, write_study
from scaling import analysis, bounds, launching, records, tables
from scaling.study import Study, StudyError, read_study, run_folder, turns


class Bounds(unittest.TestCase):
    """The best that whole clients allow."""

    def test_equal_clients_are_bound_by_the_rank_with_the_most(self):
        self.assertEqual(bounds.equal_clients_bound(10, 1), 1.0)
        self.assertEqual(bounds.equal_clients_bound(10, 4), 10 / 3)
        self.assertEqual(bounds.equal_clients_bound(10, 5), 5.0)
        self.assertEqual(bounds.equal_clients_bound(10, 9), 5.0)
        self.assertEqual(bounds.equal_clients_bound(10, 4096), 10.0)

    def test_clients_are_dealt_longest_first_to_the_rank_with_the_least(self):
        costs = [1, 5, 2, 4, 3]
        self.assertEqual(bounds.deal(costs, 2), [0, 0, 0, 1, 1])  # 5+2+1 and 4+3
        self.assertEqual(bounds.loads(costs, bounds.deal(costs, 2), 2), [8, 7])

    def test_clients_of_no_cost_are_spread_over_the_ranks(self):
        self.assertEqual(bounds.deal([0, 0, 0], 3), [0, 1, 2])

    def test_ranks_beyond_the_clients_get_none(self):
        self.assertEqual(bounds.loads([3, 2], bounds.deal([3, 2], 4), 4), [3, 2, 0, 0])

    def test_longest_first_bounds_the_speed_up_by_the_longest_client(self):
        self.assertEqual(bounds.longest_first_bound([2, 1, 1], 2), 2.0)
        self.assertEqual(bounds.longest_first_bound([2, 1, 1], 64), 2.0)

    def test_ranks_that_share_cores_share_their_speed(self):
        self.assertEqual(bounds.shared_makespan([1, 1, 1, 1], 2), 2.0)
        # Half the speed each until three are done at 2 s, then the full speed for the 2 s left.
        self.assertEqual(bounds.shared_makespan([3, 1, 1, 1], 2), 4.0)
        self.assertEqual(bounds.shared_makespan([3, 1], 2), 3.0)
        self.assertEqual(bounds.longest_first_bound([1] * 4, 4, cores=2), 2.0)


class Records(FolderTest):
    """Reading a run folder."""

    def test_warm_up_and_the_last_round_are_not_counted(self):
        write_run(self.folder / "run", [4.0], {"a": 4.0}, rounds=6)
        run = records.read_run(self.folder / "run", warm_up=2)
        self.assertEqual([one.index for one in run.rounds], [2, 3, 4])
        self.assertEqual(run.rounds[0].client_seconds, {"a": 4.0})
        self.assertEqual(run.config["comm.reduce"], "fast")

    def test_the_mean_phases_and_the_rest_add_up_to_the_round(self):
        write_run(self.folder / "run", [3.0, 1.0], {"a": 3.0, "b": 1.0})
        one = records.read_run(self.folder / "run", warm_up=2).rounds[0]
        self.assertEqual(sum(one.mean.values()), one.seconds)
        self.assertEqual(one.mean["rest"], REST)
        self.assertEqual(one.imbalance, 1.0)

    def test_saving_is_added_to_the_round_that_it_is_reported_with(self):
        write_run(self.folder / "run", [3.0], {"a": 3.0})
        path = self.folder / "run/rounds.jsonl"
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        lines[3]["phases"]["save"] = {"mean": 1.5, "max": 1.5}
        write_lines(path, lines)
        before, after = records.read_run(self.folder / "run", warm_up=2).rounds
        self.assertEqual(after.seconds, before.seconds + 1.5)
        self.assertEqual((after.mean["save"], after.mean["rest"]), (1.5, REST))

    def test_a_run_with_too_few_rounds_is_refused_by_its_name(self):
        write_run(self.folder / "run", [3.0], {"a": 3.0}, rounds=3)
        with self.assertRaisesRegex(StudyError, "run: holds 3 rounds.*Raise run.rounds"):
            records.read_run(self.folder / "run", warm_up=2)

    def test_a_missing_or_broken_file_is_refused_by_its_name(self):
        write_run(self.folder / "run", [3.0], {"a": 3.0})
        (self.folder / "run/rounds.jsonl").write_text('{"round": 0}\n')
        with self.assertRaisesRegex(StudyError, "rounds.jsonl: a line lacks 'seconds'"):
            records.read_run(self.folder / "run", warm_up=2)
        (self.folder / "run/rounds.jsonl").unlink()
        with self.assertRaisesRegex(StudyError, "rounds.jsonl: there is no such file"):
            records.read_run(self.folder / "run", warm_up=2)


class Analysis(FolderTest):
    """Speed-up, efficiency and where time goes, by hand:
    a round takes 4.75 s on one rank, 2.75 s or 4.75 s on two, 2.75 s on four."""

    def counts(self, **options):
        study = write_study(self.folder, **options)
        return {
            count.ranks: count for count in analysis.analyse(study, analysis.read_runs(self.folder, study))
        }

    def test_seconds_are_the_median_of_the_runs_with_their_range(self):
        counts = self.counts()
        self.assertEqual(counts[1].seconds, analysis.Spread(4.75, 4.75, 4.75))
        self.assertEqual(counts[2].seconds, analysis.Spread(3.75, 2.75, 4.75))
        self.assertEqual((counts[2].runs, counts[2].rounds), (2, 4))

    def test_strong_speed_up_is_the_time_on_one_rank_over_that_on_many(self):
        counts = self.counts()
        self.assertEqual(counts[1].speed_up.median, 1.0)
        self.assertAlmostEqual(counts[4].speed_up.median, 4.75 / 2.75)
        self.assertAlmostEqual(counts[4].efficiency.median, 4.75 / 2.75 / 4)
        self.assertAlmostEqual(counts[2].speed_up.least, 1.0)
        self.assertAlmostEqual(counts[2].speed_up.most, 4.75 / 2.75)

    def test_weak_speed_up_counts_the_work_that_grew_with_the_ranks(self):
        counts = self.counts(kind="weak")
        self.assertAlmostEqual(counts[4].speed_up.median, 4 * 4.75 / 2.75)
        self.assertAlmostEqual(counts[4].efficiency.median, 4.75 / 2.75)

    def test_imbalance_is_apart_from_communication(self):
        four = self.counts()[4]
        self.assertEqual(four.phases["train"].median, 1.0)
        self.assertEqual(four.imbalance.median, 1.0)
        self.assertEqual(four.phases["wait"].median, 1.0)
        self.assertEqual(four.phases["aggregate"].median, AGGREGATE)
        self.assertEqual(four.phases["rest"].median, REST)

    def test_the_bounds_are_those_of_the_clients_and_of_the_cores(self):
        counts = self.counts()
        self.assertEqual([counts[p].bound for p in (1, 2, 4)], [1.0, 1.5, 3.0])
        self.assertEqual([counts[p].longest_first_bound for p in (1, 2, 4)], [1.0, 2.0, 2.0])

    def test_ranks_beyond_the_cores_bound_the_speed_up(self):
        self.assertEqual(self.counts(cores=1)[4].longest_first_bound, 1.0)

    def test_a_study_without_a_run_on_some_ranks_is_refused(self):
        study = write_study(self.folder)
        for repetition in (1, 2):
            (run_folder(self.folder, 2, repetition) / "summary.json").unlink()
        with self.assertRaisesRegex(StudyError, "no run on 2 ranks has ended"):
            analysis.read_runs(self.folder, study)


class Tables(FolderTest):
    """The files of a report."""

    def setUp(self):
        super().setUp()
        study = write_study(self.folder)
        by_ranks = analysis.read_runs(self.folder, study)
        counts = analysis.analyse(study, by_ranks)
        tables.write_report(self.folder, study, by_ranks, counts)
        self.text = tables.text_of(counts)

    def rows(self, name):
        with open(self.folder / name, encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))

    def test_rounds_csv_has_a_row_a_run_and_counted_round(self):
        rows = self.rows("rounds.csv")
        self.assertEqual(len(rows), 3 * 2 * 2)
        self.assertEqual(
            [
                rows[-1][key]
                for key in ("ranks", "run", "round", "seconds", "train", "longest_train", "imbalance")
            ],
            ["4", "run-2", "3", "2.75", "1.0", "2.0", "1.0"],
        )

    def test_ranks_csv_has_a_row_a_rank_count_with_the_range(self):
        rows = self.rows("ranks.csv")
        self.assertEqual([row["ranks"] for row in rows], ["1", "2", "4"])
        self.assertEqual(
            [rows[1][key] for key in ("seconds", "seconds_least", "seconds_most", "bound")],
            ["3.75", "2.75", "4.75", "1.5"],
        )

    def test_report_json_holds_the_study_and_the_numbers(self):
        report = json.loads((self.folder / "report.json").read_text())
        self.assertEqual(report["study"]["kind"], "strong")
        self.assertEqual(report["ranks"][2]["imbalance"]["median"], 1.0)

    def test_the_text_shows_median_and_range(self):
        self.assertIn("3.750 (2.750-4.750)", self.text)


class Launching(FolderTest):
    """The commands of the runs, and their order."""

    def setUp(self):
        super().setUp()
        (self.folder / "shards").mkdir()
        for site in range(9):
            (self.folder / f"shards/site_{site}.h5").touch()
        self.config = self.folder / "study.ini"
        self.config.write_text(f"[data]\nshards = {self.folder}/shards\nclients = 6\n[cohort]\nsize = 0\n")

    def study(self, **changes):
        return Study(
            **{
                **dict(
                    kind="strong",
                    ranks=[1, 2, 4],
                    repeat=2,
                    warm_up=2,
                    config=str(self.config),
                    program="harmofl",
                ),
                **changes,
            }
        )

    def test_repetitions_take_turns(self):
        self.assertEqual(turns([1, 2], 3), [(1, 1), (2, 1), (1, 2), (2, 2), (1, 3), (2, 3)])

    def test_ranks_compute_with_one_thread(self):
        command = launching.program_command(self.study(arguments=["--train.lr", "1"]), "s", 2, 1)
        self.assertEqual(
            command,
            [
                "harmofl",
                "train",
                "--config",
                str(self.config),
                "--train.lr",
                "1",
                "--device.threads",
                "1",
                "--run.output",
                "s/ranks-0002/run-1",
            ],
        )
        self.assertEqual(launching.local_environment(2, 2)["OMP_NUM_THREADS"], "1")

    def test_only_ranks_beyond_the_cores_give_way_while_they_wait(self):
        key = "OMPI_MCA_mpi_yield_when_idle"
        with mock.patch.dict("os.environ"):
            launching.os.environ.pop(key, None)
            self.assertNotIn(key, launching.local_environment(2, 2))
            self.assertEqual(launching.local_environment(3, 2)[key], "1")

    def test_a_weak_federation_grows_by_whole_shards_and_clients(self):
        study = self.study(
            kind="weak",
            arguments=["--cohort.size=3", "--train.lr", "1", "--data.shards", f"{self.folder}/shards"],
        )
        launching.plan_growth(study)
        self.assertEqual(study.shards_a_rank, 2)
        command = launching.program_command(study, self.folder, 4, 1)
        links = self.folder / "ranks-0004/shards"
        self.assertEqual(len(list(links.glob("*.h5"))), 8)
        self.assertTrue((links / "site_7.h5").samefile(self.folder / "shards/site_7.h5"))
        for key, value in (("--data.shards", str(links)), ("--data.clients", "24"), ("--cohort.size", "12")):
            self.assertEqual(command[command.index(key) + 1], value)
            self.assertEqual(sum(word.startswith(key) for word in command), 1)  # once
        self.assertEqual(command[command.index("--train.lr") + 1], "1")

    def test_more_ranks_than_shards_are_refused_for_weak_scaling(self):
        with self.assertRaisesRegex(StudyError, "needs 10 shards, but there are 9"):
            launching.plan_growth(self.study(kind="weak", ranks=[1, 10]))

    def test_slurm_jobs_run_one_after_the_other_with_a_task_a_rank(self):
        sent = []

        def sbatch(command, **_):
            sent.append(command)
            return types.SimpleNamespace(returncode=0, stdout=f"{len(sent)};cluster\n", stderr="")

        with mock.patch.object(launching.subprocess, "run", sbatch):
            launching.submit(
                self.study(launcher="slurm"), self.folder / "out", ["--mem=1G"], lambda text: None
            )
        self.assertEqual(len(sent), 6)
        self.assertEqual(sent[0][:2], ["sbatch", "--parsable"])
        self.assertEqual(
            [command[command.index("--ntasks") + 1] for command in sent], ["1", "2", "4", "1", "2", "4"]
        )
        self.assertNotIn("--dependency", " ".join(sent[0]))
        self.assertIn("--dependency=afterany:5", sent[5])
        self.assertIn("--mem=1G", sent[5])
        self.assertIn("exec mpirun harmofl train --config", sent[5][-1])

    def test_a_run_that_ended_is_kept_and_half_a_run_starts_again(self):
        study, ended = self.study(), run_folder(self.folder, 1, 1)
        write_run(ended, [1.0], {"a": 1.0})
        self.assertFalse(launching.prepare(study, self.folder, 1, 1))
        (ended / "summary.json").unlink()
        self.assertTrue(launching.prepare(study, self.folder, 1, 1))
        self.assertFalse(ended.exists())

    def test_another_study_in_the_same_folder_is_refused(self):
        self.study().write(self.folder)
        launching.check_same(self.study(ranks=[1, 8], repeat=9), self.folder)
        with self.assertRaisesRegex(StudyError, "holds a study with kind = strong, not weak"):
            launching.check_same(self.study(kind="weak"), self.folder)

    def test_a_folder_without_a_study_is_refused(self):
        with self.assertRaisesRegex(StudyError, "study.json: there is no such file"):
            read_study(self.folder)


class Options(unittest.TestCase):
    """The command line."""

    @classmethod
    def setUpClass(cls):
        spec = importlib.util.spec_from_file_location("program", SOURCE / "tools/scaling.py")
        cls.program = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(cls.program)

    def test_ranks_are_a_list_that_an_ellipsis_doubles(self):
        self.assertEqual(self.program.rank_list("1,2,4"), [1, 2, 4])
        self.assertEqual(self.program.rank_list("1,2,...,16"), [1, 2, 4, 8, 16])
        self.assertEqual(self.program.rank_list("3,...,10"), [3, 6, 10])
        for wrong in ("0,1", "1,...", "x", ""):
            with self.assertRaises(ValueError):
                self.program.rank_list(wrong)

    def test_what_follows_two_dashes_is_for_the_program(self):
        options = self.program.make_parser().parse_args(
            ["run", "--config", "c", "--output", "o", "--ranks", "1,2", "--", "--train.lr", "1"]
        )
        self.assertEqual(options.arguments, ["--train.lr", "1"])
        self.assertEqual(options.ranks, [1, 2])

    def test_a_folder_that_is_no_study_ends_with_one_line(self):
        with (
            tempfile.TemporaryDirectory() as folder,
            mock.patch("sys.argv", ["scaling.py", "project", folder, "--platform", "x.json"]),
            contextlib.redirect_stderr(io.StringIO()) as said,
        ):
            self.assertEqual(self.program.main(), 1)
        self.assertEqual(said.getvalue().count("\n"), 1)
        self.assertIn("study.json: there is no such file", said.getvalue())


if __name__ == "__main__":
    unittest.main(verbosity=2)
