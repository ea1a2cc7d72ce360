# SPDX-License-Identifier: Apache-2.0
"""Brings run folders to MLflow by its client, and only what it does not have yet."""

import hashlib
import math
import pathlib
import time
from collections.abc import Iterable, Iterator
from typing import Any

from harmofl_runs import Run, RunError
from mlflow.entities import Metric, Param, RunTag
from mlflow.tracking import MlflowClient
from mlflow_export import contents
from mlflow_export.contents import Value

FOLDER = "harmofl.folder"
ROUNDS = "harmofl.rounds_exported"
METRICS_A_CALL, PARAMS_A_CALL, TAGS_A_CALL = 1000, 100, 100  # MLflow's own limits


def batches(items: Iterable[Any], size: int) -> Iterator[list[Any]]:
    """The items in lists of at most `size`."""
    rest = list(items)
    for first in range(0, len(rest), size):
        yield rest[first : first + size]


def is_same(a: float, b: float) -> bool:
    return a == b or (math.isnan(a) and math.isnan(b))


def checksum(path: pathlib.Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class Exporter:
    """An experiment of an MLflow server that runs go to."""

    def __init__(self, tracking_uri: str, experiment: str, models: bool, anew: bool) -> None:
        self.client = MlflowClient(tracking_uri=tracking_uri)
        self.models = models
        self.anew = anew
        known = self.client.get_experiment_by_name(experiment)
        self.experiment_id = known.experiment_id if known else self.client.create_experiment(experiment)

    def export(self, run: Run) -> str:
        """Adds what is new of a run; says in a line what that was."""
        folder = str(run.folder.resolve())
        values = contents.round_values(run)
        found = None if self.anew else self._find(folder)
        if found is None:
            found = self.client.create_run(self.experiment_id, tags={FOLDER: folder})
        self._refuse_another(run, found, values)
        run_id = found.info.run_id
        self._log_params(run, found)
        added = self._log_rounds(run_id, found, values)
        self._log_tags(run_id, contents.tags(run))
        status = contents.status(run, values)
        if status == "FINISHED":
            self._log_summary(run, run_id, found)
        files = self._log_artifacts(run, run_id, found)
        if status == "RUNNING":
            self.client.update_run(run_id, status=status)
        elif found.info.status != status or added or files:
            self.client.set_terminated(run_id, status)
        return f"{run.folder}: {status}, {added} new round(s), {files} file(s) -> MLflow run {run_id}"

    def _find(self, folder: str) -> Any:
        quoted = folder.replace("'", "\\'")
        runs = self.client.search_runs(
            [self.experiment_id], f"tags.`{FOLDER}` = '{quoted}'", order_by=["attributes.start_time DESC"]
        )
        return next((run for run in runs if run.data.tags.get(FOLDER) == folder), None)

    def _refuse_another(self, run: Run, found: Any, values: list[Value]) -> None:
        """What MLflow has of a round must be what the folder has: MLflow takes nothing back."""
        exported = int(found.data.tags.get(ROUNDS, 0))
        latest = {value.key: value for value in values if value.step < exported}
        done = 1 + max((value.step for value in values), default=-1)
        differs = next((key for key, value in latest.items() if not self._has(found, key, value.value)), None)
        if done < exported or differs:
            what = f"'{differs}' differs" if differs else f"it has {done} of the {exported} rounds there"
            raise RunError(
                run.folder,
                f"MLflow run {found.info.run_id} is of another run or of rounds that were done anew: {what}",
                "Export it with --anew, as a new run in MLflow.",
            )

    @staticmethod
    def _has(found: Any, key: str, value: float) -> bool:
        known = found.data.metrics.get(key)
        return known is not None and is_same(known, value)

    def _log_params(self, run: Run, found: Any) -> None:
        """Parameters never change in MLflow; keys that a resumed run has otherwise become tags."""
        known = found.data.params
        wanted = contents.params(run)
        new = [Param(key, value) for key, value in wanted.items() if key not in known]
        for some in batches(new, PARAMS_A_CALL):
            self.client.log_batch(found.info.run_id, params=some)
        changed = {f"changed.{key}": v for key, v in wanted.items() if known.get(key, v) != v}
        self._log_tags(found.info.run_id, changed)

    def _log_tags(self, run_id: str, tags: dict[str, str]) -> None:
        for some in batches((RunTag(key, value) for key, value in tags.items()), TAGS_A_CALL):
            self.client.log_batch(run_id, tags=some)

    # A time that another call finds again, so that a server can tell a value that it has.
    def _log_rounds(self, run_id: str, found: Any, values: list[Value]) -> int:
        exported = int(found.data.tags.get(ROUNDS, 0))
        new = [value for value in values if value.step >= exported]
        start = int(found.info.start_time or time.time() * 1000)
        for some in batches(new, METRICS_A_CALL):
            metrics = [Metric(key, value, start + step, step) for key, step, value in some]
            self.client.log_batch(run_id, metrics=metrics)
        if not new:
            return 0
        done = 1 + new[-1].step
        self.client.set_tag(run_id, ROUNDS, str(done))
        return done - exported

    def _log_summary(self, run: Run, run_id: str, found: Any) -> None:
        start = int(found.info.start_time or 0)
        metrics = [
            Metric(key, value, start + step, step)
            for key, step, value in contents.summary_values(run)
            if not self._has(found, key, value)
        ]
        if metrics:
            self.client.log_batch(run_id, metrics=metrics)

    def _log_artifacts(self, run: Run, run_id: str, found: Any) -> int:
        count = 0
        for path in contents.artifacts(run, self.models):
            tag, digest = f"harmofl.file.{path.name}", checksum(path)
            if found.data.tags.get(tag) == digest:
                continue
            self.client.log_artifact(run_id, str(path))
            self.client.set_tag(run_id, tag, digest)
            count += 1
        return count
