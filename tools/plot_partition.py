#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A picture of who holds which images: the sizes of all clients and what they are made of.

    tools/plot_partition.py RUN_FOLDER|partition.csv [--shards DIR] [--split train] [--output FILE]

Reads the partition.csv that a run saves. Clients are sorted by size, each a bar stacked by site;
with --shards, the folder of the shards that the run read, and images with labels, a second row
stacks the same clients by class. Many clients become a curve of their sizes over a heat map of
their shares. Writes partition.png beside the CSV file unless --output names another one. Needs
matplotlib, and h5py for --shards (tools/install-deps.sh puts both in .deps/venv).
"""

import argparse
import collections
import csv
import pathlib
import statistics
import sys

COLUMNS = ["client", "split", "site", "id"]
SPLITS = ("train", "val", "test")
MOST_BARS = 150  # more clients than that get a curve and a heat map
MOST_NAMES = 30  # and with more than that their names are left out
MOST_COLUMNS = 800  # of a heat map; clients beyond that share a column, which shows their mean


class PartitionError(Exception):
    """A file that cannot be drawn; the text says why and what to do."""


def read_rows(path):
    """The rows of a partition.csv, as dictionaries."""
    try:
        with open(path, encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            if reader.fieldnames != COLUMNS:
                raise PartitionError(
                    f"{path}: expected the columns {','.join(COLUMNS)}; give the partition.csv of a run."
                )
            return list(reader)
    except OSError as error:
        raise PartitionError(
            f"{path}: cannot be read: {error.strerror}; give the folder of a run, or its partition.csv."
        ) from None


def read_classes(folder, split):
    """The class name of every image by (site, id); None for shards of masks."""
    import h5py

    paths = sorted(pathlib.Path(folder).glob("*.h5"))
    if not paths:
        raise PartitionError(f"{folder}: there is no shard (*.h5); give the folder of the shards.")
    classes = {}
    for path in paths:
        with h5py.File(path, "r") as shard:
            if shard.attrs["task"] != "classification":
                return None
            names = list(shard.attrs["class_names"])
            ids = shard[split]["ids"].asstr()[:] if len(shard[split]["ids"]) else []
            for name, label in zip(ids, shard[split]["labels"][:]):
                classes[shard.attrs["site"], name] = names[label]
    return classes


def count(rows, kind_of):
    """How many images of each kind every client has."""
    counts = collections.defaultdict(collections.Counter)
    for row in rows:
        counts[row["client"]][kind_of(row)] += 1
    return counts


def order(counts):
    """The clients, largest first; those of one size by the kind that they have most of."""

    def key(client):
        kind, number = min(counts[client].items(), key=lambda item: (-item[1], item[0]))
        return -counts[client].total(), kind, -number, client

    return sorted(counts, key=key)


def columns_of(counts, clients):
    """The kinds, and the counts of each, one a client."""
    kinds = sorted({kind for counter in counts.values() for kind in counter})
    return kinds, {kind: [counts[client][kind] for client in clients] for kind in kinds}


def colours(pyplot, number):
    """As many colours as there are kinds; those of a map when there are too many to name."""
    if number <= 20:
        names = "tab10" if number <= 10 else "tab20"
        return [pyplot.get_cmap(names)(i) for i in range(number)]
    return [pyplot.get_cmap("turbo")(i / (number - 1)) for i in range(number)]


def draw_bars(pyplot, axes, clients, kinds, counts, title):
    """One bar a client, stacked by kind."""
    bottom = [0] * len(clients)
    for kind, colour in zip(kinds, colours(pyplot, len(kinds))):
        axes.bar(range(len(clients)), counts[kind], 0.9, bottom, label=kind, color=colour)
        bottom = [below + more for below, more in zip(bottom, counts[kind])]
    axes.set_ylabel("images")
    axes.set_xlim(-0.6, len(clients) - 0.4)
    if len(clients) <= MOST_NAMES:
        axes.set_xticks(range(len(clients)), clients, rotation=60, ha="right", fontsize=7)
    else:
        axes.set_xlabel(f"{len(clients)} clients, largest first")
    if len(kinds) <= 20:
        axes.legend(
            title=title,
            fontsize=7,
            title_fontsize=8,
            loc="upper left",
            bbox_to_anchor=(1.0, 1.0),
            frameon=False,
        )


def draw_sizes(axes, clients, kinds, counts):
    """The curve of the clients' sizes, largest first."""
    sizes = [sum(column) for column in zip(*(counts[kind] for kind in kinds))]
    axes.fill_between(range(len(clients)), sizes, step="mid", alpha=0.35)
    axes.step(range(len(clients)), sizes, where="mid")
    axes.set_ylabel("images")
    if max(sizes) >= 20 * min(sizes):
        axes.set_yscale("log")
    else:
        axes.set_ylim(bottom=0)
    axes.set_xlim(-0.5, len(clients) - 0.5)
    axes.grid(axis="y", alpha=0.3)


def averaged(values, number):
    """The means of `number` runs of neighbours, as equal in length as can be."""
    bounds = [i * len(values) // number for i in range(number + 1)]
    return [statistics.fmean(values[low:high]) for low, high in zip(bounds, bounds[1:])]


def draw_shares(figure, axes, clients, kinds, counts, title):
    """A heat map: a column a client, a row a kind, the share of the client's images."""
    sizes = [sum(column) for column in zip(*(counts[kind] for kind in kinds))]
    shares = [
        averaged([n / size for n, size in zip(counts[kind], sizes)], min(len(clients), MOST_COLUMNS))
        for kind in kinds
    ]
    image = axes.imshow(
        shares,
        aspect="auto",
        vmin=0.0,
        vmax=1.0,
        interpolation="nearest",
        extent=(-0.5, len(clients) - 0.5, len(kinds) - 0.5, -0.5),
    )
    axes.set_ylabel(title)
    if len(kinds) <= MOST_NAMES:
        axes.set_yticks(range(len(kinds)), kinds, fontsize=7)
    axes.set_xlabel(f"{len(clients)} clients, largest first")
    figure.colorbar(image, ax=axes, label="share of the client's images")


def draw(rows, classes, heading, path):
    """Writes the picture."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    kinds_of = [("site", lambda row: row["site"])]
    if classes:
        kinds_of.append(("class", lambda row: classes[row["site"], row["id"]]))
    counts = [count(rows, kind_of) for _, kind_of in kinds_of]
    clients = order(counts[-1])
    tables = [(title, *columns_of(own, clients)) for (title, _), own in zip(kinds_of, counts)]
    many = len(clients) > MOST_BARS
    panels = len(tables) + many
    figure, axes = pyplot.subplots(panels, 1, figsize=(10, 3.2 * panels), squeeze=False, layout="constrained")
    axes = list(axes[:, 0])
    if many:
        draw_sizes(axes.pop(0), clients, *tables[0][1:])
    for axis, (title, kinds, columns) in zip(axes, tables):
        if many:
            draw_shares(figure, axis, clients, kinds, columns, title)
        else:
            draw_bars(pyplot, axis, clients, kinds, columns, title)
    figure.suptitle(heading, fontsize=10)
    figure.savefig(path, dpi=110)


def parse_arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("partition", type=pathlib.Path, metavar="RUN_FOLDER|partition.csv")
    parser.add_argument("--shards", type=pathlib.Path, help="folder of shards, for the classes")
    parser.add_argument("--split", choices=SPLITS, default="train", help="images to count")
    parser.add_argument("--output", type=pathlib.Path, help="PNG file")
    return parser.parse_args()


def run(arguments):
    """Reads, draws and says what was drawn."""
    path = arguments.partition
    if path.is_dir():
        path = path / "partition.csv"
    rows = [row for row in read_rows(path) if row["split"] == arguments.split]
    if not rows:
        raise PartitionError(f"{path}: holds no {arguments.split} images; take another --split.")
    classes = read_classes(arguments.shards, arguments.split) if arguments.shards else None
    missing = [row for row in rows if classes and (row["site"], row["id"]) not in classes]
    if missing:
        raise PartitionError(
            f"{arguments.shards}: image '{missing[0]['id']}' of site "
            f"'{missing[0]['site']}' is not there; give the run's own shards."
        )
    sizes = collections.Counter(row["client"] for row in rows).values()
    heading = f"{len(rows)} {arguments.split} images, {len(sizes)} clients of {min(sizes)} to {max(sizes)}"
    output = arguments.output or path.with_suffix(".png")
    draw(rows, classes, heading, output)
    print(f"{output}: {heading}")


def main():
    try:
        run(parse_arguments())
    except PartitionError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
