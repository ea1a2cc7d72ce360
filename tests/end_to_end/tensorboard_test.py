#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""run.tensorboard, read back by TensorBoard's own package."""

import io
import math
import os
import signal
import unittest

import support
from support import LEARNS, TINY, harmofl, numpy, train

try:
    from PIL import Image
    from tensorboard.backend.event_processing import event_accumulator
except ImportError:
    Image = event_accumulator = None

BOARD = ("--run.tensorboard", "--run.tensorboard_images", 1)


def open_board(folder):
    """All of the event files of a run, as TensorBoard has them after taking out what does not count."""
    sizes = {event_accumulator.SCALARS: 0, event_accumulator.IMAGES: 0, event_accumulator.TENSORS: 0}
    return event_accumulator.EventAccumulator(str(folder / "tensorboard"), sizes).Reload()


def event_files(folder):
    return sorted((folder / "tensorboard").iterdir())


class Board(support.ProgramTest):
    def setUp(self):
        super().setUp()
        if event_accumulator is None:
            missing = "tensorboard is not installed (tools/install-deps.sh does)"
            self.assertFalse(os.environ.get("CI"), missing)
            raise unittest.SkipTest(missing)
        self.run_folder = self.folder / "run"

    def scalars(self, board, tag):
        return [(event.step, event.value) for event in board.Scalars(tag)]

    def assert_same_values(self, found, expected, tag):
        self.assertEqual([step for step, _ in found], [step for step, _ in expected], tag)
        for (step, value), (_, wanted) in zip(found, expected):
            if wanted is None:
                self.assertTrue(math.isnan(value), f"{tag} in round {step}")
            else:
                self.assertEqual(numpy.float32(value), numpy.float32(wanted), f"{tag} in round {step}")

    def assert_is_the_run(self, folder):
        """Every number of metrics.jsonl and rounds.jsonl is there as float32, once, and no other."""
        board = open_board(folder)
        expected = {}
        for line in support.metrics(folder):
            for name, value in line.items():
                if name not in ("round", "site", "split", "seconds", "held_out"):
                    tag = f"{line['split']}_{name}/{line['site']}"
                    expected.setdefault(tag, []).append((line["round"], value))
                    if not line.get("held_out"):
                        group = f"mean/{line['split']}_{name}"
                        expected.setdefault(group, {}).setdefault(line["round"], []).append(value)
        for line in support.json_lines(folder / "rounds.jsonl"):
            step = line["round"]
            for name, value in line.items():
                if isinstance(value, (int, float)) and name != "round":
                    expected.setdefault(f"round/{name}", []).append((step, value))
            for phase, seconds in line["phases"].items():
                expected.setdefault(f"phase/{phase}", []).append((step, seconds["mean"]))
                expected.setdefault(f"phase_max/{phase}", []).append((step, seconds["max"]))
            for reason, clients in line["lost"].items():
                expected.setdefault(f"lost/{reason}", []).append((step, clients))
            expected.setdefault("round/peak_memory_bytes", []).append(
                (step, line["peak_memory_bytes"]["max"])
            )
        kept = {tag for tag in board.Tags()["scalars"] if board.Scalars(tag)}  # a tag outlives its values
        self.assertEqual(kept, set(expected))
        for tag, values in expected.items():
            if isinstance(values, dict):
                values = [(step, None if None in v else sum(v) / len(v)) for step, v in values.items()]
                found = self.scalars(board, tag)
                self.assertEqual([step for step, _ in found], [step for step, _ in values], tag)
                for (_, value), (_, wanted) in zip(found, values):
                    self.assertAlmostEqual(value, wanted, delta=1e-6, msg=tag)
            else:
                self.assert_same_values(self.scalars(board, tag), values, tag)
        return board

    def test_scalars_and_configuration_are_those_of_the_run(self):
        lossy = ("--fleet.drop_after", 0.5, "--train.schedule", "step", "--train.schedule_rounds", 2)
        for ranks in (None, 2):
            folder = self.folder / f"ranks{ranks}"
            arguments = (*TINY, *BOARD, *lossy, "--run.rounds", 4, "--run.evaluate_every", 2)
            self.succeeds(
                train(support.federation(), folder, *arguments, "--data.hold_out", "site_2", ranks=ranks)
            )
            board = self.assert_is_the_run(folder)
            self.assertIn("round/lr", board.Tags()["scalars"])
            self.assertIn("val_dice/site_2", board.Tags()["scalars"])
            [text] = board.Tensors("configuration")
            shown = text.tensor_proto.string_val[0].decode()
            config = (folder / "config.ini").read_text()
            self.assertEqual(shown, "".join(f"    {line}\n" for line in config.splitlines()))
            plugin = board.SummaryMetadata("configuration").plugin_data.plugin_name
            self.assertEqual(plugin, "text")

    def pixels(self, event):
        return numpy.asarray(Image.open(io.BytesIO(event.encoded_image_string)))

    def test_images_show_case_truth_and_prediction(self):
        arguments = (*LEARNS, *BOARD, "--run.rounds", 2)
        self.succeeds(train(support.federation(), self.run_folder, *arguments, ranks=2))
        board = open_board(self.run_folder)
        predicted = self.folder / "predicted"
        checkpoint = self.run_folder / "checkpoint.h5"
        self.succeeds(
            harmofl("predict", "--checkpoint", checkpoint, "--input", support.federation(), "--split", "test",
                    "--output", predicted)
        )  # fmt: skip
        tags = [f"images/site_{site}/test_{case}" for site in range(3) for case in range(2)]
        self.assertEqual(sorted(board.Tags()["images"]), tags)
        white = 0
        for tag in tags:
            events = board.Images(tag)
            self.assertEqual([event.step for event in events], [0, 1])
            _, site, name = tag.split("/")
            case = int(name.split("_")[1])
            with support.h5(support.federation() / f"{site}.h5") as file:
                image = file["test/images"][case].transpose(1, 2, 0)
                truth = file["test/masks"][case] * 255
                sample = file["test/ids"][case].decode()
            mask = numpy.asarray(Image.open(predicted / site / f"{sample}.png"))
            gap = numpy.full((32, 2, 3), 96)
            grey = [numpy.repeat(plane[:, :, None], 3, axis=2) for plane in (truth, mask)]
            expected = numpy.concatenate([image, gap, grey[0], gap, grey[1]], axis=1)
            self.assertEqual((events[1].height, events[1].width), (32, 100))
            numpy.testing.assert_array_equal(self.pixels(events[1]), expected)
            white += int((mask == 255).sum())
        self.assertGreater(white, 0)  # the model has found something

    def test_images_of_labels_are_framed_by_whether_they_were_found(self):
        shards = support.federation("classification")
        self.succeeds(train(shards, self.run_folder, *TINY, *BOARD, "--run.rounds", 1, "--run.per_sample"))
        board = open_board(self.run_folder)
        frames = {True: (0, 160, 0), False: (220, 0, 0)}
        lines = (self.run_folder / "per_sample.csv").read_text().splitlines()
        header = lines[0].split(",")
        rows = [dict(zip(header, line.split(","))) for line in lines[1:]]
        for site in range(3):
            own = [row for row in rows if row["site"] == f"site_{site}" and row["split"] == "test"]
            for case in range(2):
                [event] = board.Images(f"images/site_{site}/test_{case}")
                pixels = self.pixels(event)
                self.assertEqual(pixels.shape, (38, 38, 3))
                found = own[case]["predicted"] == own[case]["class"]
                self.assertEqual(tuple(pixels[0, 0]), frames[found])
                with support.h5(shards / f"site_{site}.h5") as file:
                    image = file["test/images"][case].transpose(1, 2, 0)
                numpy.testing.assert_array_equal(pixels[3:-3, 3:-3], numpy.broadcast_to(image, (32, 32, 3)))

    def test_a_resumed_run_has_each_round_once(self):
        arguments = (*TINY, *BOARD, "--run.save_every", 2)
        self.succeeds(train(support.federation(), self.run_folder, *arguments, "--run.rounds", 4))
        (self.run_folder / "checkpoint.h5").unlink()  # back to the one after round 2
        resumed = (*arguments, "--run.rounds", 5, "--run.resume")
        self.succeeds(train(support.federation(), self.run_folder, *resumed))
        self.assertEqual(len(event_files(self.run_folder)), 2)
        board = self.assert_is_the_run(self.run_folder)
        self.assertEqual([step for step, _ in self.scalars(board, "round/seconds")], [0, 1, 2, 3, 4])
        self.assertEqual([event.step for event in board.Images("images/site_0/test_0")], [0, 1, 2, 3, 4])
        # Started again from the beginning, without any checkpoint.
        for checkpoint in self.run_folder.glob("checkpoint*.h5"):
            checkpoint.unlink()
        again = (*arguments, "--run.rounds", 2, "--run.resume")
        self.succeeds(train(support.federation(), self.run_folder, *again))
        board = self.assert_is_the_run(self.run_folder)
        self.assertEqual([step for step, _ in self.scalars(board, "round/seconds")], [0, 1])

    def test_a_killed_run_can_be_read_and_goes_on(self):
        def kill(process):
            process.send_signal(signal.SIGKILL)

        arguments = (*TINY, *BOARD, "--run.save_every", 1)
        result = train(
            support.federation(), self.run_folder, *arguments, "--run.rounds", 500, when="round 2 ", then=kill
        )
        self.assertEqual(result.code, -signal.SIGKILL, result)
        done = len(support.json_lines(self.run_folder / "rounds.jsonl"))
        steps = [step for step, _ in self.scalars(open_board(self.run_folder), "round/seconds")]
        self.assertGreaterEqual(done, 3)
        self.assertEqual(steps[:3], [0, 1, 2])
        # A machine that dies may leave a part of a record.
        [events] = event_files(self.run_folder)
        with events.open("ab") as file:
            file.write(events.read_bytes()[:100][:37])
        resumed = (*arguments, "--run.rounds", done + 2, "--run.resume")
        self.succeeds(train(support.federation(), self.run_folder, *resumed))
        self.assert_is_the_run(self.run_folder)

    def test_can_be_followed_while_the_run_goes_on(self):
        boards = []

        def look(process):
            boards.append(open_board(self.run_folder))
            process.send_signal(signal.SIGTERM)

        result = train(
            support.federation(),
            self.run_folder,
            *TINY,
            *BOARD,
            "--run.rounds",
            500,
            when="round 2 ",
            then=look,
        )
        self.assertEqual(result.code, 75, result)
        self.assertGreaterEqual(len(self.scalars(boards[0], "mean/val_dice")), 3)


class WithoutBoard(support.ProgramTest):
    def test_changes_no_bit_of_the_run_and_is_off_by_default(self):
        plain, shown = self.folder / "plain", self.folder / "shown"
        self.succeeds(train(support.federation(), plain, *TINY, "--run.rounds", 2))
        self.succeeds(train(support.federation(), shown, *TINY, *BOARD, "--run.rounds", 2))
        self.assert_same_run(plain, shown)
        self.assertFalse((plain / "tensorboard").exists())
        self.assertTrue((shown / "tensorboard").is_dir())
        names = {path.name for path in shown.iterdir()} - {path.name for path in plain.iterdir()}
        self.assertEqual(names, {"tensorboard"})

    def test_pictures_without_tensorboard_have_no_effect(self):
        result = train(
            support.federation(), self.folder / "run", *TINY, "--run.rounds", 1, "--run.tensorboard_images", 3
        )
        self.succeeds(result)
        self.assertIn("warning: run.tensorboard_images = 3 has no effect", result.stderr)

    @unittest.skipIf(os.geteuid() == 0, "root may write anywhere")
    def test_a_folder_that_cannot_be_written(self):
        folder = self.folder / "run"
        (folder / "tensorboard").mkdir(parents=True)
        (folder / "tensorboard").chmod(0o500)
        result = train(support.federation(), folder, *TINY, *BOARD, "--run.rounds", 1)
        self.fails(result, 1, folder / "tensorboard")

    def test_a_file_in_the_place_of_its_folder(self):
        folder = self.folder / "run"
        folder.mkdir()
        (folder / "tensorboard").write_text("mine")
        result = train(support.federation(), folder, *TINY, *BOARD, "--run.rounds", 1, ranks=2)
        self.fails(result, 1, folder / "tensorboard")
        self.assertEqual((folder / "tensorboard").read_text(), "mine")


if __name__ == "__main__":
    support.main()
