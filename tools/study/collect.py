# SPDX-License-Identifier: Apache-2.0
"""Tables of what the run folders hold, a file an experiment. Every row names the file that its numbers are
from."""

import json
import pathlib
from collections.abc import Iterator, Sequence

import pandas

from harmofl_runs import Run, RunError, find_runs
from harmofl_runs.files import read_json, read_json_lines
from report.measured import drift, sharpness, shift
from study.errors import StudyError
from study.steps import FACTS, TIMES

FOLDER = "collected"
SPLITS = ("val", "test")


def facts_of(run: Run) -> dict[str, object]:
    """Experiment, setting, method, seed and so on, of study.json."""
    return read_json(run.folder / FACTS, "Give runs of tools/study.py.")


def finished(output: pathlib.Path) -> list[tuple[dict[str, object], Run]]:
    """The finished runs of a study with their facts."""
    runs = [run for run in find_runs(output) if run.has(FACTS) and run.finished]
    if not runs:
        raise StudyError(f"{output}: no run of a study has ended below it. Let one end: tools/study.py run.")
    return [(facts_of(run), run) for run in runs]


def scores(facts: dict[str, object], run: Run) -> Iterator[dict[str, object]]:
    """A row a split, site and measure, at the best round by validation."""
    for split in SPLITS:
        for site, row in run.best(split).iterrows():
            for measure in row.index.drop(["held_out", "samples"]):
                yield {
                    **facts,
                    "site": site,
                    "site_held_out": bool(row["held_out"]),
                    "split": split,
                    "measure": measure,
                    "value": row[measure],
                    "best_round": run.summary["best_round"],
                    "source": str(run.folder / "summary.json"),
                }


def cpu_seconds(run: Run) -> float:
    """Processor time of all steps of a run, those included that were cut off."""
    return sum(line["cpu_seconds"] for line in read_json_lines(run.folder / TIMES))


def whole_run(facts: dict[str, object], run: Run) -> Iterator[dict[str, object]]:
    """A row a measured quantity of the run."""
    measured = [("drift", drift(run), "metrics.jsonl")]
    if run.has(TIMES):
        measured.append(("cpu_seconds", cpu_seconds(run), TIMES))
    if run.has("spectra.json"):
        measured += [
            (name, value, "spectra.json") for name, value in shift(run, str(facts["held_out"])).items()
        ]
    if run.has("flatness.json"):
        measured += [(name, value, "flatness.json") for name, value in sharpness(run).items()]
    for name, value, source in measured:
        yield {**facts, "quantity": name, "value": value, "source": str(run.folder / source)}


def write(output: pathlib.Path, only: Sequence[str] | None = None) -> list[tuple[pathlib.Path, int]]:
    """Writes OUTPUT/collected/<experiment>-scores.csv and -runs.csv; gives the files and their rows."""
    rows: dict[str, list[dict[str, object]]] = {}
    for facts, run in finished(output):
        name = str(facts["experiment"])
        if only is not None and name not in only:
            continue
        try:
            rows.setdefault(f"{name}-scores", []).extend(scores(facts, run))
            rows.setdefault(f"{name}-runs", []).extend(whole_run(facts, run))
        except (KeyError, json.JSONDecodeError) as error:
            raise RunError(run.folder, f"lacks {error}", "Remove the folder, and run it again.") from None
    folder = output / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, found in sorted(rows.items()):
        path = folder / f"{name}.csv"
        pandas.DataFrame(found).to_csv(path, index=False)
        written.append((path, len(found)))
    return written
