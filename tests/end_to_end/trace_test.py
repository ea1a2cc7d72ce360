# SPDX-License-Identifier: Apache-2.0
"""The trace of a run (run.trace): against the configuration, the other files of the run, and Perfetto's own
reader of such files."""

import collections
import functools
import json
import math
import unittest

import support
import trace_processor

ROUNDS, SITES, TRAIN, BATCH, EPOCHS = 3, 3, 8, 4, 2
STEPS = EPOCHS * math.ceil(TRAIN / BATCH)
LANES = 2
KEYS = {
    "algorithm.name": "harmofl",
    "model.width": 2,
    "data.batch_size": BATCH,
    "comm.reduce": "exact",
    "train.local_epochs": EPOCHS,
    "device.lanes": LANES,
    "run.rounds": ROUNDS,
    "run.save_every": 2,
}


def train(folder, keys=None, *arguments, **options):
    """A run with KEYS, or others in their place."""
    words = [word for key, value in (KEYS | (keys or {})).items() for word in (f"--{key}", value)]
    return support.train(support.federation(), folder, *words, *arguments, **options)


TRACED = {"run.trace": "true"}
RESUMED = {"run.resume": "true"}


@functools.cache
def traced(ranks=2):
    """The folder of a run with a trace, made once; not to be changed."""
    folder = support.shared_folder() / f"traced-{ranks}"
    result = train(folder, TRACED, ranks=ranks)
    assert result.code == 0, result
    return folder


def end(event):
    return event["ts"] + event["dur"]


class Trace:
    """A strict reader of its own: what is in the file is JSON, known and nested."""

    def __init__(self, path):
        text = path.read_text()
        self.whole = text.endswith("]\n")
        self.events = json.loads(text if self.whole else text[: text.rindex("\n")] + "]")
        self.ranges = [event for event in self.events if event["ph"] == "X"]
        self.instants = [event for event in self.events if event["ph"] == "i"]
        self.threads = {
            (event["pid"], event["tid"]): event["args"]["name"]
            for event in self.events
            if event["name"] == "thread_name"
        }
        for event in self.events:
            assert event["ph"] in "XiM", event
            assert isinstance(event["pid"], int) and isinstance(event["tid"], int), event
            if event["ph"] != "M":
                assert event["ts"] >= 0 and event.get("dur", 0) >= 0, event
                assert event["ph"] == "i" or (event["pid"], event["tid"]) in self.threads, event
        self.nest()

    def nest(self):
        """Gives every range the one around it on its thread; a range that is in two in part is an error."""
        by_thread = collections.defaultdict(list)
        for event in self.ranges:
            by_thread[event["pid"], event["tid"]].append(event)
        for events in by_thread.values():
            around = []
            for event in sorted(events, key=lambda e: (e["ts"], -e["dur"])):
                while around and end(around[-1]) <= event["ts"] + 1e-4:
                    around.pop()
                event["around"] = around[-1] if around else None
                if around:
                    assert end(event) <= end(around[-1]) + 1e-3, (event, around[-1])
                around.append(event)

    def named(self, name, rank=None):
        return [e for e in self.ranges if e["name"] == name and rank in (None, e["pid"] - 1)]

    def seconds(self, name, rank, within):
        """Of ranges of a rank that lie in a stretch of time."""
        found = [e for e in self.named(name, rank) if within["ts"] <= e["ts"] and end(e) <= end(within)]
        return sum(e["dur"] for e in found) / 1e6


class Content(support.ProgramTest):
    """Of a run at 2 ranks with 2 lanes each: one rank has two of the three clients."""

    def setUp(self):
        super().setUp()
        self.run_folder = traced()
        self.trace = Trace(self.run_folder / "trace.json")
        self.by_rank = [len(rank["sites"]) for rank in self.provenance()["ranks"]]

    def provenance(self):
        return json.loads((self.run_folder / "run.json").read_text())

    def test_every_rank_has_every_round_once(self):
        self.assertTrue(self.trace.whole)
        for rank in range(2):
            rounds = [event["args"]["round"] for event in self.trace.named("round", rank)]
            self.assertEqual(rounds, list(range(ROUNDS)))

    def test_clients_passes_and_saves_are_as_many_as_the_configuration_says(self):
        clients = collections.Counter(e["args"]["client"] for e in self.trace.named("train client"))
        self.assertEqual(clients, {f"site_{i}": ROUNDS for i in range(SITES)})
        self.assertEqual(len(self.trace.named("first pass")), ROUNDS * SITES * STEPS)
        self.assertEqual(len(self.trace.named("second pass")), ROUNDS * SITES * STEPS)
        evaluated = collections.Counter(e["args"]["client"] for e in self.trace.named("evaluate client"))
        self.assertEqual(evaluated, {f"site_{i}": ROUNDS for i in range(SITES)})
        for rank in range(2):
            self.assertEqual(len(self.trace.named("save", rank)), 2)  # after round 2 and the last
            self.assertEqual(len(self.trace.named("wait", rank)), ROUNDS)

    def test_what_lies_within_what(self):
        for name, around in (
            ("first pass", "train client"),
            ("second pass", "train client"),
            ("input", "train client"),
            ("train", "round"),
            ("aggregate", "round"),
            ("evaluate", "round"),
            ("report", "round"),
        ):
            for event in self.trace.named(name):
                self.assertEqual(event["around"]["name"], around, event)
        for event in self.trace.named("train client"):
            phases = self.trace.named("train", event["pid"] - 1)
            self.assertTrue(any(p["ts"] <= event["ts"] and end(event) <= end(p) for p in phases), event)

    def test_clients_are_on_the_tracks_of_their_lanes(self):
        """Which lane has a client is up to the clock: one that came too late for each has no track
        (Crew.gives_each_lane_a_track_of_its_own makes sure that lanes meet)."""
        for rank, sites in enumerate(self.by_rank):
            names = {name for (pid, _), name in self.trace.threads.items() if pid == rank + 1}
            self.assertIn("main", names)
            self.assertLessEqual(names, {"main", "lane 1"} if sites > 1 else {"main"})
        on = {self.trace.threads[e["pid"], e["tid"]] for e in self.trace.named("train client")}
        self.assertLessEqual(on, {"main", "lane 1"})

    def test_collectives_have_their_bytes(self):
        sums = [
            e for e in self.trace.named("all-reduce") if e["around"] and e["around"]["name"] == "aggregate"
        ]
        self.assertEqual({e["pid"] for e in sums}, {1, 2})
        sent = [line["sent_bytes"] for line in support.json_lines(self.run_folder / "rounds.jsonl")]
        largest = max(e["args"]["bytes"] for e in sums)
        self.assertGreaterEqual(largest, sent[0])

    def close_to(self, traced_s, recorded_s, what):
        """A range holds the time that was taken in it, and little else: a process may be set aside there."""
        self.assertGreaterEqual(traced_s, recorded_s - 1e-5, what)
        self.assertLess(traced_s - recorded_s, 0.25, what)

    def test_sums_by_phase_are_those_of_rounds_jsonl(self):
        lines = support.json_lines(self.run_folder / "rounds.jsonl")
        for line in lines:
            stretches = [self.trace.named("round", rank)[line["round"]] for rank in range(2)]
            for phase in ("place", "wait", "aggregate", "evaluate"):
                traced_s = [self.trace.seconds(phase, rank, stretches[rank]) for rank in range(2)]
                self.close_to(sum(traced_s) / 2, line["phases"][phase]["mean"], (line["round"], phase))
                self.close_to(max(traced_s), line["phases"][phase]["max"], (line["round"], phase))

    def test_input_is_a_share_of_training_as_in_rounds_jsonl(self):
        for line in support.json_lines(self.run_folder / "rounds.jsonl"):
            means = {phase: seconds["mean"] for phase, seconds in line["phases"].items()}
            train_s = input_s = 0.0
            for rank, clients in enumerate(self.by_rank):
                stretch = self.trace.named("round", rank)[line["round"]]
                train_s += self.trace.seconds("train", rank, stretch) / 2
                input_s += self.trace.seconds("input", rank, stretch) / min(clients, LANES) / 2
            self.close_to(input_s, means["input"], line["round"])
            self.close_to(train_s, means["train"] + means["input"], line["round"])

    def test_totals_of_the_root_are_those_of_the_summary(self):
        seconds = json.loads((self.run_folder / "summary.json").read_text())["seconds"]
        for phase in ("place", "wait", "aggregate", "evaluate", "save"):
            total = sum(e["dur"] for e in self.trace.named(phase, 0)) / 1e6
            self.close_to(total, seconds[phase], phase)

    def test_the_first_event_says_what_the_trace_is_of(self):
        (first,) = (e for e in self.trace.instants if e["name"] == "part of the run")
        self.assertEqual(first["args"]["ranks"], 2)
        self.assertEqual(first["args"]["rounds_before"], 0)
        self.assertEqual(first["args"]["clocks_within_us"][0], 0)
        self.assertGreater(first["args"]["clocks_within_us"][1], 0)


@unittest.skipIf(trace_processor.MISSING, trace_processor.MISSING)
class Perfetto(support.ProgramTest):
    """Perfetto's trace processor on the file."""

    def rows(self, path, *queries):
        with trace_processor.open_trace(path) as opened:
            lost = opened.query(
                "select name, value from stats where severity in ('error', 'data_loss') and value > 0"
            )
            self.assertEqual([(row.name, row.value) for row in lost], [])
            return [list(opened.query(query)) for query in queries]

    def test_it_finds_all_ranges_as_they_were_written(self):
        path = traced() / "trace.json"
        ours = Trace(path)
        slices, processes, rounds, clients = self.rows(
            path,
            "select s.name, s.ts, s.dur, s.depth, t.name as thread, p.name as process from slice s "
            "join thread_track k on s.track_id = k.id join thread t using (utid) join process p using (upid)",
            "select pid, name from process where name glob 'rank *' order by pid",
            "select extract_arg(arg_set_id, 'args.round') as number from slice where name = 'round'",
            "select c.name as name, extract_arg(c.arg_set_id, 'args.client') as client from slice c "
            "where c.name = 'train client'",
        )
        base = min(event["ts"] for event in ours.ranges)
        depth = {id(None): -1}
        for event in sorted(ours.ranges, key=lambda e: (e["ts"], -e["dur"])):
            depth[id(event)] = depth[id(event["around"])] + 1
        host = self.host()
        wanted = collections.Counter(
            (
                event["name"],
                round((event["ts"] - base) * 1000),
                round(event["dur"] * 1000),
                depth[id(event)],
                ours.threads[event["pid"], event["tid"]],
                f"rank {event['pid'] - 1} ({host})",
            )
            for event in ours.ranges
        )
        first = min(row.ts for row in slices)
        found = collections.Counter(
            (row.name, row.ts - first, row.dur, row.depth, row.thread, row.process) for row in slices
        )
        self.assertEqual(sum(found.values()), sum(wanted.values()))
        self.assertEqual(found, wanted)
        self.assertEqual([row.name for row in processes], [f"rank {rank} ({host})" for rank in range(2)])
        self.assertEqual(sorted(row.number for row in rounds), sorted(2 * list(range(ROUNDS))))
        self.assertEqual(
            collections.Counter(row.client for row in clients), {f"site_{i}": ROUNDS for i in range(SITES)}
        )

    @staticmethod
    def host():
        return json.loads((traced() / "run.json").read_text())["ranks"][0]["host"]

    def test_it_reads_what_a_killed_run_leaves(self):
        text = (traced() / "trace.json").read_text()
        lines = text.splitlines(keepends=True)
        whole = "".join(lines[: len(lines) // 2])
        counts = []
        for cut in (whole, whole + lines[len(lines) // 2][:25]):
            path = self.folder / "cut.json"
            path.write_text(cut)
            ((row,),) = self.rows(path, "select count(*) as ranges from slice where name = 'round'")
            counts.append(row.ranges)
        self.assertGreater(counts[0], 0)
        self.assertEqual(counts, [counts[0]] * 2)


class Life(support.ProgramTest):
    """Of runs that are stopped, resumed, or have no trace."""

    def train(self, keys=None, *arguments, **options):
        return train(self.folder / "run", keys, *arguments, **options)

    def trace(self):
        return Trace(self.folder / "run" / "trace.json")

    def test_a_run_without_one_has_the_same_bits_and_no_file(self):
        self.succeeds(self.train(ranks=2))
        self.assertFalse((self.folder / "run" / "trace.json").exists())
        self.assert_same_run(self.folder / "run", traced())

    def test_one_rank_without_mpi_has_one_too(self):
        self.succeeds(self.train(TRACED))
        trace = self.trace()
        self.assertEqual({event["pid"] for event in trace.events}, {1})
        self.assertEqual(len(trace.named("first pass")), ROUNDS * SITES * STEPS)

    def test_batches_that_are_read_ahead_have_tracks_of_their_readers(self):
        self.succeeds(self.train(TRACED | {"data.residence": "stream", "run.rounds": 1}))
        names = set(self.trace().threads.values())
        self.assertTrue({"main", "reader 1"} <= names, names)
        self.assertLessEqual(sum(name.startswith("reader") for name in names), 2 * LANES)
        self.assertGreater(len(self.trace().named("read batch")), 0)

    def test_a_killed_run_leaves_its_rounds_and_a_resumed_one_goes_on(self):
        fault = {"HARMOFL_FAULT": "exit@train:1:2"}
        often = TRACED | {"run.save_every": 1}
        self.assertNotEqual(self.train(often, ranks=2, env=fault).code, 0)
        killed = self.trace()
        self.assertFalse(killed.whole)
        self.assertEqual([e["args"]["round"] for e in killed.named("round", 1)], [0, 1])
        with (self.folder / "run" / "trace.json").open("a") as file:
            file.write(',{"name":"half a li')
        self.succeeds(self.train(often | RESUMED, ranks=2))
        resumed = self.trace()
        self.assertTrue(resumed.whole)
        self.assertEqual([e["args"]["round"] for e in resumed.named("round", 1)], [0, 1, 2])
        first, second = (e for e in resumed.instants if e["name"] == "part of the run")
        self.assertEqual(second["args"]["rounds_before"], 2)
        self.assertGreaterEqual(second["ts"], max(end(event) for event in killed.ranges))
        between_s = (second["args"]["unix_us"] - first["args"]["unix_us"]) / 1e6
        self.assertAlmostEqual((second["ts"] - first["ts"]) / 1e6, between_s, delta=1e-3)

    def test_a_file_that_no_run_wrote_is_not_touched(self):
        self.succeeds(self.train({"run.rounds": 1}))
        path = self.folder / "run" / "trace.json"
        path.write_text('{"traceEvents": []}\n')
        result = self.train(TRACED | RESUMED)
        self.fails(result, 1, path, "Move the file away")
        self.assertEqual(path.read_text(), '{"traceEvents": []}\n')

    def test_a_trace_can_begin_when_a_run_is_resumed(self):
        self.succeeds(self.train({"run.rounds": 2}))
        self.succeeds(self.train(TRACED | RESUMED))
        trace = self.trace()
        self.assertEqual([e["args"]["round"] for e in trace.named("round")], [2])
        (part,) = (e for e in trace.instants if e["name"] == "part of the run")
        self.assertEqual(part["args"]["rounds_before"], 2)

    def test_a_dry_run_leaves_none(self):
        self.succeeds(self.train(TRACED, "--dry-run"))
        self.assertFalse((self.folder / "run").exists())


if __name__ == "__main__":
    support.main()
