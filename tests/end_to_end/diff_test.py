#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`harmofl diff` finds what was planted: data, keys, a bit of a checkpoint; and calls runs alike that are."""

import functools
import json
import os
import pathlib
import shutil
import subprocess

import support
import xxh3
from support import HARMOFL, federation, harmofl, json_lines

ALIKE, DIFFERENT, TROUBLE = 0, 1, 2
ROUNDS = 4
HASHED = ("--run.fingerprints", "true", "--run.save_every", 1, "--run.keep", 9)


def merged(*words):
    """Options and their values, of each the last."""
    given = {}
    for word, after in zip(words, (*words[1:], "--")):
        if str(word).startswith("--"):
            given[word] = () if str(after).startswith("--") else (after,)
    return [part for option, value in given.items() for part in (option, *value)]


def train(output, *arguments, shards=None, rounds=ROUNDS, **options):
    words = merged(*support.TINY, *HASHED, "--run.rounds", rounds, *arguments)
    return support.train(shards or federation(), output, *words, **options)


@functools.cache
def hashed_run():
    """A run of ROUNDS rounds with all that `diff` can look at, made once; not to be changed."""
    folder = support.shared_folder() / "hashed"
    result = train(folder)
    assert result.code == 0, result
    return folder


def hashes(folder):
    return json_lines(folder / "fingerprints.jsonl")


def change_by_one_step(checkpoint, name):
    """Moves the first value of a tensor to the next float32, and gives the tensor the checksum of that."""
    with support.h5(checkpoint, "r+") as file:
        values = file[name][()]
        flat = values.reshape(-1)
        flat[0] = support.numpy.nextafter(flat[0], support.numpy.float32(9))
        file[name][...] = values
        file[name].attrs["xxh3"] = xxh3.hexdigest(values.tobytes())


class Diffs:
    """What the tests of all kinds of differences share."""

    def diff(self, left, right, code, *texts, ranks=None):
        result = harmofl("diff", left, right, "--output", self.folder / "diff.json", ranks=ranks)
        self.assertEqual(result.code, code, result)
        for text in texts:
            self.assertIn(str(text), result.stdout, result)
        if code != TROUBLE:
            self.found = json.loads((self.folder / "diff.json").read_text())
            self.assertEqual(self.found["alike"], code == ALIKE)
        return result

    def trained(self, name, *arguments, **options):
        self.succeeds(train(self.folder / name, *arguments, **options))
        return self.folder / name


class AlikeRuns(Diffs, support.ProgramTest):
    def test_other_ranks_and_lanes(self):
        for name, arguments, ranks in (
            ("ranks", ("--device.lanes", 1), 2),
            ("lanes", ("--device.lanes", 3), None),
            ("stream", ("--device.lanes", 1, "--data.residence", "stream"), None),
        ):
            with self.subTest(name):
                run = self.trained(name, *arguments, ranks=ranks)
                self.assertEqual(hashes(run), hashes(hashed_run()))
                self.diff(hashed_run(), run, ALIKE, "alike", f"every tensor and client in {ROUNDS} rounds")
                self.assertIsNone(self.found["first_round"])
                facts = self.found["configuration"] + self.found["provenance"]
                self.assertNotIn(True, [fact["can_change_rounds"] for fact in facts])
                self.assertIn("run.output", [fact["name"] for fact in facts])

    def test_a_resumed_run(self):
        self.trained("parts", rounds=1)
        result = train(self.folder / "parts", "--resume", env={"HARMOFL_FAULT": "exit@train:0:3"})
        self.assertEqual(result.code, 9, result)
        self.succeeds(train(self.folder / "parts", "--resume", ranks=2))
        read = [(run / "fingerprints.jsonl").read_bytes() for run in (self.folder / "parts", hashed_run())]
        self.assertEqual(*read)
        self.diff(self.folder / "parts", hashed_run(), ALIKE)

    def test_a_shorter_run_and_one_that_was_not_hashed(self):
        short = self.trained("short", rounds=2)
        self.diff(short, hashed_run(), ALIKE, "the first 2, counted from 0, which both have (A has 2, B 4)")
        plain = self.trained("plain", "--run.fingerprints", "false")
        self.assertFalse((plain / "fingerprints.jsonl").exists())
        self.diff(plain, hashed_run(), ALIKE, "not hashed by both (run.fingerprints)")

    def test_under_mpirun_says_it_once(self):
        result = self.diff(hashed_run(), hashed_run(), ALIKE, ranks=2)
        self.assertEqual(result.stdout.count("alike"), 1)


class PlantedDifferences(Diffs, support.ProgramTest):
    def federation_with(self, change):
        """A copy of the federation in which `change` was made to site_1."""
        shards = shutil.copytree(federation(), self.folder / "shards")
        with support.h5(shards / "site_1.h5", "r+") as file:
            change(file)
        return shards

    def test_one_pixel_of_one_image(self):
        def change(file):
            image = file["train/images"][5]
            image[0, 7, 7] ^= 1
            file["train/images"][5] = image

        shards = self.federation_with(change)
        support.mend_checksum(shards / "site_1.h5", "/train/images")
        other = self.trained("other", shards=shards)
        self.diff(
            hashed_run(),
            other,
            DIFFERENT,
            "data of site_1, train",
            "first difference of what was computed: round 0",
            "client site_1 trained on other batches (images, labels or their order), from the same model",
            "by how much, after 1 round:",
        )
        computed = self.found["computed"]
        self.assertEqual([client["site"] for client in computed["clients"]], ["site_1"])
        self.assertEqual(computed["clients"][0]["differs"][:2], ["batches", "model"])
        self.assertEqual(self.found["first_round"], 0)
        names = [fact["name"] for fact in self.found["provenance"] if fact["can_change_rounds"]]
        self.assertEqual(names, ["data of site_1, train"])
        self.assertEqual(self.found["commands"], [], "all is known")
        self.sizes_are_those_of_the_files(other)

    def sizes_are_those_of_the_files(self, other):
        left = support.tensors(hashed_run() / "checkpoint-000001.h5")
        right = support.tensors(other / "checkpoint-000001.h5")
        model = self.found["saved"]["groups"][0]
        self.assertEqual(model["group"], "model")
        self.assertEqual(model["tensors"], len(left))
        said = {tensor["tensor"]: tensor for tensor in model["differing"]}
        different = {name for name in left if left[name].tobytes() != right[name].tobytes()}
        self.assertEqual(set(said), different)
        self.assertTrue(different)
        for name in different:
            a, b = (side[name].astype("float64") for side in (left, right))
            self.assertEqual(said[name]["differing"], (a != b).sum())
            self.assertEqual(said[name]["elements"], a.size)
            self.assertEqual(said[name]["largest"], abs(a - b).max())
            larger = support.numpy.maximum(abs(a), abs(b))
            relative = (abs(a - b)[larger > 0] / larger[larger > 0]).max()
            self.assertEqual(said[name]["largest_relative"], relative)

    def test_a_key_that_acts_late(self):
        # The rate of step schedules falls for the first time in round 2.
        schedule = ("--train.schedule", "step", "--train.schedule_rounds", 2)
        a = self.trained("a", *schedule, "--train.schedule_factor", 0.5)
        b = self.trained("b", *schedule, "--train.schedule_factor", 0.25)
        self.diff(
            a,
            b,
            DIFFERENT,
            "train.schedule_factor  0.5 | 0.25",
            "first difference of what was computed: round 2",
            "'s model differs after its local training, though start and batches are the same",
            "learning rate  ",
            "by how much, after 3 rounds",
        )
        self.assertEqual(len(self.found["computed"]["clients"]), 3)

    def test_another_seed(self):
        other = self.trained("other", "--run.seed", 1, rounds=1)
        self.diff(hashed_run(), other, DIFFERENT, "run.seed  0 | 1", "the runs begin with other models")
        self.assertEqual(self.found["computed"]["part"], "start")

    def test_another_cohort(self):
        a, b = (self.trained(f"of{n}", "--cohort.size", n, rounds=1) for n in (1, 2))
        result = self.diff(a, b, DIFFERENT, "cohort.size  1 | 2", "other clients trained; in ")
        self.assertIn("number of clients that trained  1 | 2", result.stdout)
        self.assertEqual(self.found["computed"]["part"], "cohort")

    def test_one_bit_of_a_checkpoint_that_a_run_went_on_from(self):
        for group, name, sentence in (
            ("model", "", "B went on with something else than it had"),
            ("clients/site_2", "optimizer.", "client site_2 had kept something else from its rounds before"),
        ):
            with self.subTest(group):
                other = self.trained(f"tampered-{group.split('/')[0]}", rounds=2)
                with support.h5(other / "checkpoint.h5") as file:
                    by_index = sorted(file[group].items(), key=lambda item: item[1].attrs["index"])
                    tensors = [key for key, data in by_index if key.startswith(name) and data.size > 1]
                    tensor = tensors[1] if group == "model" else tensors[0]
                change_by_one_step(other / "checkpoint.h5", f"{group}/{tensor}")
                self.succeeds(train(other, "--resume"))
                self.diff(hashed_run(), other, DIFFERENT, "round 2\n", sentence, tensor, "after 2 rounds")
                self.assertEqual(self.found["first_round"], 2)
                (found,) = self.found["saved"]["groups"]
                self.assertEqual(found["group"], group)
                (size,) = found["differing"]
                self.assertEqual((size["tensor"], size["differing"]), (tensor, 1))
                self.assertEqual((size["largest_steps"], size["first"]["element"]), (1, 0))

    def test_sums_in_another_order(self):
        fast = ("--comm.reduce", "fast", "--device.threads", 1, "--device.lanes", 1)
        a = self.trained("one", *fast, rounds=2)
        b = self.trained("two", *fast, rounds=2, ranks=2)
        self.diff(a, b, DIFFERENT, "their average is not", "comm.reduce = fast", "ranks")
        self.assertEqual(self.found["computed"]["part"], "average")


class RunsWithoutHashes(Diffs, support.ProgramTest):
    def test_the_commands_that_it_gives_find_client_and_size(self):
        plain = ("--run.fingerprints", "false", "--run.keep", 1, "--device.lanes", 1)
        schedule = ("--train.schedule", "step", "--train.schedule_rounds", 2, "--run.save_every", 9)
        a = self.trained("a", *plain, *schedule)
        b = self.trained("b", *plain, *schedule, "--train.schedule_factor", 0.2, ranks=2)
        self.diff(a, b, DIFFERENT, "first difference of what was measured: round 2", "learning rate")
        self.assertIsNone(self.found["computed"])
        commands = self.found["commands"]
        self.assertIn("--run.rounds 3", commands[0])
        programs = self.folder / "bin"
        programs.mkdir()
        (programs / "harmofl").symlink_to(HARMOFL)
        script = "set -e\nexport PATH=" + f"{programs}:$PATH\n" + "\n".join(commands[:-1])
        done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=150)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(commands[-1], f"harmofl diff {a}-closer {b}-closer")
        closer = [pathlib.Path(f"{run}-closer") for run in (a, b)]
        self.diff(*closer, DIFFERENT, "first difference of what was computed: round 2", "after 3 rounds")

    def test_they_go_on_from_a_save_that_is_alike(self):
        schedule = ("--train.schedule", "step", "--train.schedule_rounds", 2, "--run.fingerprints", "false")
        a = self.trained("a", *schedule)
        b = self.trained("b", *schedule, "--train.schedule_factor", 0.2)
        self.diff(a, b, DIFFERENT, "from the checkpoints after 2 rounds, which are alike")
        programs = self.folder / "bin"
        programs.mkdir()
        (programs / "harmofl").symlink_to(HARMOFL)
        script = f"set -e\nexport PATH={programs}:$PATH\n" + "\n".join(self.found["commands"][:-1])
        done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=150)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("resuming after 2 round(s)", done.stderr)
        closer = [pathlib.Path(f"{run}-closer") for run in (a, b)]
        self.diff(*closer, DIFFERENT, "first difference of what was computed: round 2", "after 3 rounds")
        self.assertEqual(self.found["rounds_hashed_by_both"], 1)

    def test_evaluation_alone(self):
        other = shutil.copytree(hashed_run(), self.folder / "other")
        lines = json_lines(other / "metrics.jsonl")
        changed = next(line for line in lines if line["round"] == 1 and line["split"] == "test")
        changed["loss"] += 1e-16 + abs(changed["loss"]) * 2**-52
        (other / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        self.diff(
            hashed_run(),
            other,
            DIFFERENT,
            f"the same: hashes of every tensor and client in {ROUNDS} rounds",
            f"first difference of what was measured: round 1\n  test loss of {changed['site']}",
        )


class Hashes(Diffs, support.ProgramTest):
    def test_are_those_of_a_second_implementation(self):
        for rounds, round_ in enumerate(hashes(hashed_run()), start=1):
            name = "checkpoint.h5" if rounds == ROUNDS else f"checkpoint-{rounds:06}.h5"
            with support.h5(hashed_run() / name) as file:
                self.assertEqual(file.attrs["rounds_done"], rounds)
                names, shapes = zip(*round_["tensors"])
                self.assertEqual(set(names), set(file["model"]))
                for tensor, shape, found in zip(names, shapes, round_["model"]):
                    self.assertEqual(list(file["model"][tensor].shape), shape)
                    self.assert_hash(file["model"][tensor], found)
                for client in round_["clients"]:
                    kept = file[f"clients/{client['site']}"]
                    self.assertEqual(set(kept), set(client["kept"]))
                    self.assertTrue(client["kept"])
                    for tensor, found in client["kept"].items():
                        self.assert_hash(kept[tensor], found)

    def assert_hash(self, data, found):
        expected = xxh3.hexdigest(data[()].tobytes())
        self.assertEqual(data.attrs["xxh3"], expected, data.name)
        self.assertEqual(found, expected[:16], data.name)

    def test_of_one_client_are_those_of_the_average(self):
        # Summed in float32 with weight 1, the average of one client is its model.
        run = self.trained("one", "--data.partition", "pooled", "--comm.reduce", "fast", rounds=1)
        (round_,) = hashes(run)
        (client,) = round_["clients"]
        shared = [name for name, _ in round_["tensors"] if not name.startswith("amp_norm")]
        for name, of_client, of_all in zip(shared, client["model"], round_["model"]):
            self.assertEqual(of_client, of_all, name)
        self.assertEqual(client["weight"], 1)


class CheckpointFiles(Diffs, support.ProgramTest):
    def test_that_are_alike(self):
        checkpoint = hashed_run() / "checkpoint.h5"
        self.diff(checkpoint, shutil.copy(checkpoint, self.folder), ALIKE, "alike: all ", "to the bit")

    def test_of_which_one_has_another_value(self):
        checkpoint = hashed_run() / "checkpoint.h5"
        other = shutil.copy(checkpoint, self.folder / "other.h5")
        with support.h5(other) as file:
            name = next(name for name, data in file["model"].items() if data.size > 1)
        change_by_one_step(other, f"model/{name}")
        self.diff(checkpoint, other, DIFFERENT, "1 of ", name, "first: element 0 of")
        (group,) = self.found["groups"]
        self.assertEqual([tensor["largest_steps"] for tensor in group["differing"]], [1])

    def test_of_other_rounds_and_of_a_model_alone(self):
        first, second = (hashed_run() / f"checkpoint-00000{n}.h5" for n in (1, 2))
        self.diff(first, second, DIFFERENT, "after 1 round\n", "after 2 rounds\n", "/clients/site_0")
        self.assertEqual((self.found["rounds_a"], self.found["rounds_b"]), (1, 2))
        with support.h5(hashed_run() / "best.h5") as file:
            done = file.attrs["rounds_done"]
        name = "checkpoint.h5" if done == ROUNDS else f"checkpoint-{done:06}.h5"
        self.diff(hashed_run() / "best.h5", hashed_run() / name, ALIKE, "the models alone")


class Trouble(Diffs, support.ProgramTest):
    def refuses(self, *arguments, texts=(), ranks=None):
        result = harmofl("diff", *arguments, ranks=ranks)
        self.fails(result, TROUBLE, *texts)
        self.assertEqual(result.stdout, "")

    def copy(self):
        return shutil.copytree(hashed_run(), self.folder / "copy", dirs_exist_ok=True)

    def test_what_is_no_run_and_no_checkpoint(self):
        run, checkpoint = hashed_run(), hashed_run() / "checkpoint.h5"
        text = self.folder / "x.txt"
        text.write_text("no run")
        empty = self.folder / "empty"
        empty.mkdir()
        self.refuses(run, self.folder / "gone", texts=("gone: there is no such folder or file",), ranks=2)
        self.refuses(run, checkpoint, texts=("is a folder", "two run folders, or two checkpoints"))
        self.refuses(run, empty, texts=("empty/run.json: cannot be read",))
        self.refuses(checkpoint, text, texts=("x.txt",))
        self.refuses(checkpoint, federation() / "site_0.h5", texts=("site_0.h5: is not a checkpoint",))
        self.refuses(run, texts=("two run folders",))
        self.refuses(run, run, run, texts=("harmofl diff",))
        self.refuses(run, run, "--output", run / "checkpoint.h5" / "x", texts=("checkpoint.h5",))
        self.refuses(checkpoint, checkpoint, "--output", checkpoint, texts=("is a file that is compared",))

    def test_files_that_no_run_wrote(self):
        for name, content, text in (
            ("run.json", "{", "run.json is not JSON"),
            ("run.json", "{}", "run.json: 'harmofl' is missing"),
            ("config.ini", "[run\nname", "config.ini: holds a line"),
            ("metrics.jsonl", '{"round":1}\n{"round":0}\n', "metrics.jsonl:2: round 0 comes after round 1"),
            ("metrics.jsonl", '{"round":0}\n', "metrics.jsonl:1: 'split' is missing"),
            ("fingerprints.jsonl", '{"round":0}\n', "fingerprints.jsonl:1: 'tensors' is missing"),
            ("rounds.jsonl", "", "no round is finished"),
        ):
            with self.subTest(name):
                run = self.copy()
                (run / name).write_text(content)
                self.refuses(hashed_run(), run, texts=(text,))
                shutil.rmtree(run)
        run = self.copy()
        (run / "metrics.jsonl").unlink()
        self.refuses(hashed_run(), run, texts=("metrics.jsonl: cannot be read (there is no such file)",))

    def test_what_a_killed_run_leaves_is_left_out_and_said(self):
        run = self.copy()
        for name in ("metrics.jsonl", "rounds.jsonl", "fingerprints.jsonl"):
            with open(run / name, "a", encoding="utf-8") as file:
                file.write('{"round":4,"si')
        with open(run / "checkpoint-000001.h5", "r+b") as file:
            file.truncate(100)
        result = self.diff(hashed_run(), run, ALIKE, "alike", "is not whole", "checkpoint-000001.h5")
        self.assertIn("fingerprints.jsonl:5", result.stdout)
        self.assertEqual(result.stderr, "")

    def test_an_answer_that_cannot_be_written_is_not_a_difference(self):
        with open("/dev/full", "w") as full:
            done = subprocess.run(
                [HARMOFL, "diff", hashed_run(), hashed_run()],
                stdout=full,
                stderr=subprocess.PIPE,
                text=True,
                env=dict(os.environ),
            )
        self.assertEqual(done.returncode, TROUBLE, done.stderr)


if __name__ == "__main__":
    support.main()
