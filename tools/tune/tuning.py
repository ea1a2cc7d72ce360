# SPDX-License-Identifier: Apache-2.0
"""Runs what is missing of a study, rung by rung, and tells what came of it."""

from collections.abc import Sequence
from dataclasses import dataclass

from tune import halving
from tune.errors import TuneError
from tune.planning import JOULES, Plan, Trial
from tune.records import Used, has_reached, used, validation, was_validated
from tune.running import Machine, run_all
from tune.study import Study


@dataclass(frozen=True)
class Row:
    """What came of a trial."""

    trial: Trial
    status: str
    """best | complete (of all rounds) | out (others went on) | diverged | failed | waiting."""
    used: Used
    values: tuple[float | None, ...]
    """Best validation up to the end of each rung that it was on."""
    best_round: int | None
    """That of the best validation, counted from 0."""

    @property
    def value(self) -> float | None:
        """The validation that it is judged by, that of the last rung that it reached."""
        reached = [value for value in self.values if value is not None]
        return reached[-1] if reached else None


@dataclass(frozen=True)
class Results:
    """What came of all trials."""

    plan: Plan
    rows: tuple[Row, ...]

    @property
    def best(self) -> dict[str, Row | None]:
        """The best trial of each method; None where none has been found (yet)."""
        found: dict[str, Row | None] = dict.fromkeys(self.plan.methods)
        found |= {row.trial.method: row for row in self.rows if row.status == "best"}
        return found

    @property
    def complete(self) -> bool:
        """Whether nothing is left to run."""
        return all(row.status != "waiting" for row in self.rows)

    def of(self, method: str) -> list[Row]:
        return [row for row in self.rows if row.trial.method == method]

    def spent(self, method: str) -> float | None:
        """What the method's runs have on record, in units of the budget."""
        if self.plan.unit != JOULES:
            return sum(row.used.client_steps for row in self.of(method))
        joules = [row.used.joules for row in self.of(method) if row.used.rounds]
        return None if None in joules else sum(joules)


def is_settled(study: Study, trial: Trial, rung: int) -> bool:
    """Whether a trial has done a rung, or has failed on it or before."""
    return has_failed(study, trial, rung) or has_reached(study.run_folder(trial), study.plan.rungs[rung])


def has_failed(study: Study, trial: Trial, rung: int) -> bool:
    failure = study.failure(trial)
    return failure is not None and failure["rounds"] <= study.plan.rungs[rung]


def value_at(study: Study, trial: Trial, rung: int) -> float | None:
    """The validation of a trial at the end of a rung; None where it failed or has no number."""
    if has_failed(study, trial, rung):
        return None
    found = validation(study.run_folder(trial), study.plan.rungs[rung], study.plan.measure)
    return found[0] if found else None


def ranked(study: Study, trials: Sequence[Trial], rung: int) -> list[int]:
    """The numbers of the trials, best first, at the end of a rung that all of them have done."""
    standings = [halving.Standing(trial.number, value_at(study, trial, rung)) for trial in trials]
    return halving.ranking(standings, study.plan.measure.lower_is_better)


def on_rung(study: Study, method: str, rung: int) -> list[Trial] | None:
    """The trials on a rung, best first from the second rung on; None while the rung before is not done."""
    plan = study.plan.methods[method]
    if rung == 0:
        return list(plan.trials[: plan.sizes[0]])
    before = on_rung(study, method, rung - 1)
    if before is None or not all(is_settled(study, trial, rung - 1) for trial in before):
        return None
    rounds = study.plan.rungs[rung - 1]
    spent = plan.price * sum(used(study.run_folder(one), rounds).client_steps for one in plan.trials)
    chosen = halving.going_on(
        ranked(study, before, rung - 1), plan.costs, plan.sizes, rung, spent, study.plan.budget
    )
    return [plan.trials[number] for number in chosen]


def trials_on(study: Study, rung: int) -> list[tuple[Trial, int]]:
    """All trials on a rung, settled or not, with the rounds at its end: the first of each method, the
    second of each, ..."""
    found = []
    for method in study.plan.methods:
        trials = on_rung(study, method, rung)
        if trials is None:
            raise TuneError(
                f"{study.folder}: {method} has trials that have not done the {study.plan.rungs[rung - 1]} "
                "rounds of the rung before. Run that first."
            )
        found += enumerate(trials)
    in_turn = sorted(range(len(found)), key=lambda i: (found[i][0], i))
    return [(found[i][1], study.plan.rungs[rung]) for i in in_turn]


def missing(study: Study, rung: int) -> list[tuple[Trial, int]]:
    return [(trial, rounds) for trial, rounds in trials_on(study, rung) if not is_settled(study, trial, rung)]


def check_validated(study: Study, trials: Sequence[Trial]) -> None:
    """Tuning chooses by validation alone: without any it cannot choose."""
    for trial in trials:
        folder = study.run_folder(trial)
        if used(folder).rounds and not study.failure(trial) and not was_validated(folder, study.plan.measure):
            raise TuneError(
                f"{folder}: no site was validated, and tuning chooses by validation alone. Use shards with "
                "validation images."
            )


def tune(study: Study, machine: Machine | None = None) -> Results:
    """Runs all that is missing on this machine. Raises Interrupted when asked to end by a signal, and
    TuneError where a run fails."""
    machine = machine or Machine()
    for rung, rounds in enumerate(study.plan.rungs):
        todo = missing(study, rung)
        if todo:
            machine.tell(
                f"rung {rung + 1} of {len(study.plan.rungs)}: {len(trials_on(study, rung))} trials to "
                f"{rounds} rounds, {len(todo)} of them to do"
            )
        run_all(study, todo, machine)
        check_validated(study, [trial for trial, _ in trials_on(study, rung)])
    return results_of(study)


def results_of(study: Study) -> Results:
    """What came of the trials until now."""
    return Results(study.plan, tuple(row for method in study.plan.methods for row in rows_of(study, method)))


def rows_of(study: Study, method: str) -> list[Row]:
    plan, last = study.plan.methods[method], len(study.plan.rungs) - 1
    rungs = [on_rung(study, method, rung) for rung in range(last + 1)]
    done = rungs[last] is not None and all(is_settled(study, one, last) for one in rungs[last])
    winners = ranked(study, rungs[last], last) if done else []
    rows = []
    for trial in plan.trials:
        reached = [rung for rung, trials in enumerate(rungs) if trials is not None and trial in trials]
        status = status_of(study, trial, reached[-1], rungs)
        if status == "complete" and winners and winners[0] == trial.number:
            status = "best"
        folder = study.run_folder(trial)
        values = tuple(
            value_at(study, trial, rung) if is_settled(study, trial, rung) else None for rung in reached
        )
        best = validation(folder, study.plan.rungs[reached[-1]], study.plan.measure)
        rows.append(Row(trial, status, used(folder), values, best[1] if best else None))
    return rows


def status_of(study: Study, trial: Trial, rung: int, rungs: Sequence[Sequence[Trial] | None]) -> str:
    """The status of a trial whose last rung until now is `rung`."""
    failure = study.failure(trial)
    if failure:
        return failure["status"]
    if not is_settled(study, trial, rung):
        return "waiting"
    if rung == len(rungs) - 1:
        return "complete"
    return "waiting" if rungs[rung + 1] is None else "out"


def measured_prices(pilots: Study, machine: Machine) -> dict[str, float]:
    """Joules of a client step of each method, by the runs of planning.pilot_plan."""
    run_all(pilots, missing(pilots, 0), machine)
    prices = {}
    for method, plan in pilots.plan.methods.items():
        found = used(pilots.run_folder(plan.trials[0]))
        if found.joules is None or found.joules <= 0:
            raise TuneError(
                f"{pilots.run_folder(plan.trials[0])}: rounds.jsonl has no joules: they are not available on "
                "this machine. Give --budget, in client steps."
            )
        prices[method] = found.joules / found.client_steps
    return prices
