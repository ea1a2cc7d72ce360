#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What jobs/heart.sh needs beside the programs: initial weights as a file, and the table.

    tools/report_heart.py weights INITIAL_CSV FOLDER    FOLDER/initial-SEED.safetensors of each seed
    tools/report_heart.py table SOURCE RUNS             Markdown: patients found right, ours and theirs

Accuracies are shown as numbers of patients whose class was found. Of several orders of batches the
lowest and the highest stand there. Needs Python's standard library only.
"""

import argparse
import collections
import csv
import json
import pathlib
import struct

HOSPITALS = ("cleveland", "hungarian", "switzerland", "va")
FEATURES = 13
# Method of the published table: file of ours, without -site.json and -all.json.
METHODS = {
    "FedAvg100": "fedavg",
    "FedProx100": "fedprox",
    "Scaffold100": "scaffold",
    "FedAdam100": "fedadam",
    "FedYogi100": "fedyogi",
    "FedAdagrad100": "fedadagrad",
    "Cyclic100": "cyclic",
    "Cyclic100, apart": "cyclic-apart",
    "Local 0": "local-cleveland",
    "Local 1": "local-hungarian",
    "Local 2": "local-switzerland",
    "Local 3": "local-va",
    "Pooled Training": "pooled",
}


def rows_of(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def write_weights(initial, folder):
    """A safetensors file a seed: the length of a JSON header, the header, float32 values."""
    for row in rows_of(initial):
        values = [float(row[f"weight{i}"]) for i in range(FEATURES)] + [float(row["bias"])]
        end = 4 * FEATURES
        header = json.dumps(
            {
                "linear.weight": {"dtype": "F32", "shape": [1, FEATURES], "data_offsets": [0, end]},
                "linear.bias": {"dtype": "F32", "shape": [1], "data_offsets": [end, end + 4]},
            }
        ).encode()
        header += b" " * (-len(header) % 8)
        content = struct.pack("<Q", len(header)) + header + struct.pack(f"<{len(values)}f", *values)
        (folder / f"initial-{row['seed']}.safetensors").write_bytes(content)


def test_counts(source):
    """Test patients of each hospital, then of all."""
    rows = [row["site"] for row in rows_of(source / "heart.csv") if row["split"] == "test"]
    counts = collections.Counter(rows)
    return [counts[name] for name in HOSPITALS] + [len(rows)]


def published(source, counts):
    """Patients found right by (seed, method)."""
    columns = (*HOSPITALS, "pooled_test")
    return {
        (int(row["seed"]), row["Method"]): [
            round(float(row[name]) * count) for name, count in zip(columns, counts)
        ]
        for row in rows_of(source / "published.csv")
    }


def ours(runs, folder, name, counts):
    """Patients found right: of the hospitals by their own standard, of all by that of all."""

    def right(by):
        table = json.loads((runs / folder / f"{name}-{by}.json").read_text(encoding="utf-8"))
        return [round(table[site]["accuracy"] * n) for site, n in zip(HOSPITALS, counts)]

    return [*right("site"), sum(right("all"))]


def cell(found, theirs):
    """'77' where all orders agree with theirs, '77 (+2)' or '76-78 (-1)' where they do not."""
    low, high = min(found), max(found)
    text = str(low) if low == high else f"{low}-{high}"
    nearest = min((value - theirs for value in found), key=abs)
    return text if nearest == 0 else f"{text} ({nearest:+d})"


def print_table(source, runs):
    counts = test_counts(source)
    known = published(source, counts)
    folders = collections.defaultdict(list)
    for folder in sorted(runs.glob("*-*/")):
        folders[int(folder.name.split("-")[0])].append(folder.name)
    heads = [f"{name} of {count}" for name, count in zip((*HOSPITALS, "pooled test"), counts)]
    print("| method | seed | " + " | ".join(heads) + " |\n|---|---|" + "---|" * len(heads))
    for method, name in METHODS.items():
        for seed, orders in sorted(folders.items()):
            found = [ours(runs, order, name, counts) for order in orders]
            theirs = known[seed, method.split(",")[0]]
            cells = [cell([f[i] for f in found], theirs[i]) for i in range(len(counts))]
            print(f"| {method} | {seed} | " + " | ".join(cells) + " |")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    commands = parser.add_subparsers(dest="command", required=True)
    weights = commands.add_parser("weights")
    weights.add_argument("initial", type=pathlib.Path)
    weights.add_argument("folder", type=pathlib.Path)
    table = commands.add_parser("table")
    table.add_argument("source", type=pathlib.Path)
    table.add_argument("runs", type=pathlib.Path)
    given = parser.parse_args()
    if given.command == "weights":
        write_weights(given.initial, given.folder)
    else:
        print_table(given.source, given.runs)


if __name__ == "__main__":
    main()
