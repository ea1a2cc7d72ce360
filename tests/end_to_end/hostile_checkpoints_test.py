#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checkpoints from others: nothing that they claim is believed, whatever reads them."""

import json
import os
import random
import shutil

import hostile
import support

NOTHING = "99aa06d3014798d86001c324468d497f"  # checksum of no bytes
MOMENTS = "clients/site_0/optimizer.exp_avg"


def changed_state(change):
    """Puts the text `change(facts)`, or the facts that it changed, in the place of the checkpoint's."""

    def edit(file, ranks):
        facts = json.loads(file.attrs["state"])
        facts["ranks"] = ranks or 1  # the placement is of this run
        other = change(facts)
        file.attrs["state"] = json.dumps(facts) if other is None else other

    return edit


def with_value(*path_and_value):
    """Puts a value at a place in the facts."""
    *path, last, value = path_and_value

    def change(facts):
        for key in path:
            facts = facts[key]
        facts[last] = value

    return changed_state(change)


def without(key):
    return changed_state(lambda facts: facts.__delitem__(key))


def whole_state(text):
    return changed_state(lambda facts: text)


def replaced(name, source, **attributes):
    """Puts a copy of `source`, with its checksum, in the place of the tensor `name`."""

    def edit(file, ranks):
        del ranks
        group, _, last = name.rpartition("/")
        index = len(file[group])
        if name in file:
            index = file[name].attrs["index"]
            del file[name]
        file.copy(file[source], file[group], last)
        file[name].attrs.update({"index": index, "role": "", **attributes})

    return edit


def reshaped(name, shape, dtype=None):
    """Gives a tensor another shape of as many values, which the checksum does not tell."""

    def edit(file, ranks):
        del ranks
        values, attributes = file[name][()], dict(file[name].attrs)
        del file[name]
        file.create_dataset(name, data=values.reshape(shape), dtype=dtype).attrs.update(attributes)

    return edit


def emptied(name):
    def edit(file, ranks):
        del ranks
        attributes = dict(file[name].attrs)
        del file[name]
        file.create_dataset(name, shape=(0,), dtype="f4").attrs.update({**attributes, "xxh3": NOTHING})

    return edit


def removed(name):
    """Takes a tensor away and closes the gap in the order."""

    def edit(file, ranks):
        del ranks
        group, gap = file[name].parent, file[name].attrs["index"]
        del file[name]
        for other in group.values():
            if other.attrs["index"] > gap:
                other.attrs["index"] -= 1

    return edit


def attribute(name, value):
    def edit(file, ranks):
        del ranks
        file.attrs[name] = value

    return edit


# What is wrong with a checkpoint, how it is made, and what the message names.
CLIENT_TENSORS = (
    ("moments of the shape of a bias", replaced(MOMENTS, "model/classifier.bias"), "optimizer.exp_avg"),
    ("moments that are one number", replaced(MOMENTS, "clients/site_0/optimizer.step"), "optimizer.exp_avg"),
    ("moments of no values", emptied(MOMENTS), "optimizer.exp_avg"),
    ("moments of float64", reshaped(MOMENTS, (-1,), "f8"), "float64"),
    ("steps that are a vector", replaced("clients/site_0/optimizer.step", MOMENTS), "optimizer.step"),
    ("moments without the squares", removed(MOMENTS + "_sq"), "optimizer.exp_avg_sq"),
    ("a tensor that no method knows", replaced("clients/site_0/evil", MOMENTS), "evil"),
    ("the server's moments too short", replaced("server/fedavgm.u", "model/classifier.bias"), "fedavgm.u"),
    ("a model's tensor in a row", reshaped("model/classifier.weight", (-1,)), "classifier.weight"),
)
PLACEMENTS = (
    ("a rank that is not there", with_value("placement", [99, 0]), "placement"),
    ("a rank beyond 32 bits", with_value("placement", [2**62, 0]), "placement"),
    ("no placement at all", with_value("placement", []), "placement"),
    ("a rank before the first", with_value("placement", [-1, 0]), "placement"),
)
FACTS = (
    ("a placement of texts", with_value("placement", ["x", 0]), "placement"),
    ("no placement", without("placement"), "placement"),
    ("a log without its best round", with_value("log", {}), "best_round"),
    ("a best round that is a text", with_value("log", "best_round", "x"), "best_round"),
    ("measures that are texts", with_value("log", "best_val", {"site_0": {"loss": "x"}}), "best_val"),
    ("seconds that are texts", with_value("seconds", {"train": "x"}), "seconds"),
    ("bytes that are a text", with_value("sent_bytes", "x"), "sent_bytes"),
    ("clients that are a number", with_value("clients", 5), "clients"),
    ("facts that are not JSON", whole_state("not JSON"), "state"),
    ("facts that are a list", whole_state("[]"), "state"),
    ("facts nested without end", whole_state("[" * 60000), "state"),
    ("rounds before the first", attribute("rounds_done", -1), "rounds_done"),
    ("rounds beyond all that run", attribute("rounds_done", 2**62), "rounds_done"),
    ("a configuration that is not one", attribute("config", "x"), "checkpoint.h5"),
)


class Checkpoint:
    """A copy of a run whose only checkpoint is edited."""

    def resumed(self, edit):
        """Arguments that resume an edited copy of the run, by the number of ranks."""

        def command(ranks):
            self.output = self.folder / "run"
            shutil.rmtree(self.output, ignore_errors=True)
            shutil.copytree(hostile.trained(), self.output)
            with support.h5(self.output / "checkpoint.h5", "r+") as file:
                edit(file, ranks)
            words = ("train", "--data.shards", hostile.federation(), "--run.output", self.output)
            return (*words, *hostile.SMALL, "--run.rounds", 2, "--resume")

        return command

    def refuses(self, attacks, ranks=(None,)):
        for name, edit, text in attacks:
            for number in ranks:
                with self.subTest(attack=name, ranks=number):
                    command = self.resumed(edit)(number)
                    path = self.output / "checkpoint.h5"
                    self.refused(command, path, text, ranks=(number,), unchanged=(self.output,))


class ImportedTensors(Checkpoint, hostile.HostileTest):
    """Names, types and shapes are those of the model and the method, or nothing is imported."""

    def test_state_of_clients_and_the_server(self):
        self.refuses(CLIENT_TENSORS[:1], ranks=hostile.RANKS)
        self.refuses(CLIENT_TENSORS[1:])

    def test_what_an_analysis_trains_with(self):
        _, edit, text = CLIENT_TENSORS[0]
        self.resumed(edit)(None)
        path = self.output / "checkpoint.h5"
        words = ("analyse", "drift", "--checkpoint", path, "--shards", hostile.federation())
        words = (*words, "--output", self.folder / "drift")
        self.refused(words, path, text, ranks=hostile.RANKS, unchanged=(self.output,))

    def test_a_group_within_itself(self):
        def edit(file, ranks):
            del ranks
            file["clients/site_0/again"] = file["clients"]

        self.refuses((("a cycle", edit, "again"),))


class Facts(Checkpoint, hostile.HostileTest):
    """What a checkpoint says of its run in JSON."""

    def test_placement(self):
        self.refuses(PLACEMENTS[:2], ranks=(2,))
        self.refuses(PLACEMENTS[2:])

    def test_others(self):
        self.refuses(FACTS)


class Seal(hostile.HostileTest):
    """One changed bit is found by everything that reads the file, before anything is computed."""

    def flipped(self, source, place):
        """A copy of a file with one other bit at `place`, a share of its length."""
        content = bytearray(source.read_bytes())
        content[int(place * len(content))] ^= 1
        copy = self.folder / source.name
        copy.write_bytes(content)
        return copy

    def places(self, count):
        drawn = random.Random(7)
        return [drawn.random() for _ in range(count)]

    def test_evaluate_and_export(self):
        best = hostile.trained() / "best.h5"
        for place in self.places(2):
            path = self.flipped(best, place)
            with self.subTest(place=place):
                output = self.folder / "m.safetensors"
                self.refused(("export", "--checkpoint", path, "--output", output), path)
                self.assertFalse(output.exists())
                words = ("evaluate", "--checkpoint", path, "--shards", hostile.federation())
                self.refused(words, path)

    def test_evaluate_at_two_ranks(self):
        path = self.flipped(hostile.trained() / "best.h5", 0.5)
        words = ("evaluate", "--checkpoint", path, "--shards", hostile.federation())
        self.refused(words, path, "damaged", ranks=(2,))

    def test_a_changed_configuration(self):
        best = hostile.trained() / "best.h5"
        content = best.read_bytes()
        place = content.index(b"batch_size = 4") + len("batch_size = ")
        path = self.flipped(best, (place + 0.5) / len(content))
        for words in (
            ("evaluate", "--checkpoint", path, "--shards", hostile.federation()),
            ("analyse", "gradients", "--checkpoint", path, "--shards", hostile.federation()),
        ):
            self.refused(words, path, "damaged")

    def test_weights_to_start_from(self):
        path = self.flipped(hostile.trained() / "best.h5", 0.4)
        words = ("train", "--data.shards", hostile.federation(), "--run.output", self.folder / "run")
        self.refused((*words, *hostile.SMALL, "--model.weights", path), path, "damaged", ranks=hostile.RANKS)


class Unreadable(Checkpoint, hostile.HostileTest):
    """What may not be read is not what is damaged: it is neither set aside nor gone past."""

    def test_a_checkpoint_of_somebody_else(self):
        become = hostile.as_nobody()
        self.folder.chmod(0o755)
        support.shared_folder().chmod(0o755)
        command = self.resumed(lambda file, ranks: None)(None)
        shutil.copy(self.output / "checkpoint.h5", self.output / "checkpoint-000000.h5")
        for path in (self.output, *self.output.iterdir()):
            os.chown(path, 65534, 65534)
        (self.output / "checkpoint.h5").chmod(0)
        scratch = self.folder / "scratch"  # of MPI
        scratch.mkdir()
        scratch.chmod(0o777)
        before = hostile.contents(self.output)
        env = {"HOME": "/nonexistent", "TMPDIR": str(scratch)}
        result = hostile.harmofl(*command, preexec=become, env=env)
        self.is_refusal(result, 1, self.output / "checkpoint.h5", "Permission denied")
        self.is_as_before(before, self.output)


if __name__ == "__main__":
    support.main()
