# SPDX-License-Identifier: Apache-2.0
"""Run folders as the program leaves them, written here, so that every score is known."""

import json
import pathlib
import statistics

ROOT = pathlib.Path(__file__).resolve().parents[2]
TOOLS = ROOT / "tools"


def table(scores, measure, samples):
    """A split of summary.json."""
    values = list(scores.values())
    return {
        "sites": {site: {measure: value, "loss": 1 - value} for site, value in scores.items()},
        "samples": {site: samples for site in scores},
        "mean": {measure: statistics.mean(values)},
        "std": {measure: statistics.stdev(values) if len(values) > 1 else None},
    }


def samples_csv(samples):
    """per_sample.csv of (site, id, score)."""
    lines = [f"{site},test,{name},{value!r}" for site, name, value in samples]
    return "\n".join(["site,split,id,dice", *lines]) + "\n"


def write_run(
    folder,
    method="fedavg",
    seed=0,
    scores=None,
    *,
    rounds=3,
    measure="dice",
    held_out=None,
    samples=None,
    ranks=1,
    finished=True,
    joules=None,
    **keys,
):
    """Writes a run whose best round scored `scores` (site: value), and returns its folder. `keys` are
    configuration keys with __ for the dot. `joules(round)` gives {kind: {phase: [of each rank]}} or None."""
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True)
    scores = scores or {"north": 0.5, "south": 0.7}
    config = {"run.seed": seed, "run.name": folder.name, "algorithm.name": method, "train.lr": 0.1}
    config |= {key.replace("__", "."): value for key, value in keys.items()}
    sections = {}
    for key, value in config.items():
        section, name = key.split(".")
        sections.setdefault(section, []).append(f"{name} = {value}")
    (folder / "config.ini").write_text(
        "\n\n".join("\n".join([f"[{name}]", *lines]) for name, lines in sections.items()) + "\n"
    )
    provenance = {
        "harmofl": {"version": "0.1.0", "git_commit": "abc1234"},
        "ranks": [{"rank": rank, "device": "cpu", "sites": []} for rank in range(ranks)],
        "shards": [
            {"path": "none/x.h5", "site": site, "test": {"samples": 4, "xxh3": "0" * 32}} for site in scores
        ],
        "started": "2026-01-01T00:00:00Z",
    }
    (folder / "run.json").write_text(json.dumps(provenance))
    lines, times = [], []
    for index in range(rounds):
        for site, value in scores.items():
            facts = {"round": index, "site": site, "seconds": 0.1}
            reached = value * (index + 1) / rounds
            lines.append(facts | {"split": "train", "loss": 1 - reached})
            lines += [facts | {"split": split, measure: reached, "loss": 1} for split in ("val", "test")]
        phases = {name: {"mean": 1.0 + index, "max": 2.0 + index} for name in ("train", "wait")}
        times.append({"round": index, "seconds": 2.0 / ranks, "phases": phases, "lost": {}, "clients": 2})
        if joules is not None and joules(index) is not None:
            times[-1]["joules"] = joules(index)
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (folder / "rounds.jsonl").write_text("".join(json.dumps(line) + "\n" for line in times))
    if samples is not None:
        (folder / "per_sample.csv").write_text(samples_csv(samples))
    if finished:
        summary = {"method": method, "metric": measure, "best_round": rounds - 1, "rounds": rounds}
        summary |= {split: table(scores, measure, 4) for split in ("val", "test")}
        if held_out:
            summary["held_out"] = {split: table(held_out, measure, 4) for split in ("val", "test")}
        (folder / "summary.json").write_text(json.dumps(summary))
    return folder


def cases(*values):
    """Samples of north and south: half of the values each."""
    half = len(values) // 2
    return [("north" if k < half else "south", f"case{k}", value) for k, value in enumerate(values)]
