# SPDX-License-Identifier: Apache-2.0
"""What came of a tuning as files and as text."""

import csv
import io
import pathlib

from tune.asking import ini_text
from tune.planning import trial_config
from tune.records import write_text
from tune.study import Study
from tune.tuning import Results, Row


def number_text(value: float | None, digits: int = 4) -> str:
    return "" if value is None else f"{value:.{digits}f}"


def keys_of(results: Results) -> list[str]:
    """All keys that were tried."""
    return list(dict.fromkeys(key for row in results.rows for key in row.trial.values))


def csv_text(study: Study, results: Results) -> str:
    """A row a trial. `validation_R`: the best in the first R rounds; `best_round` counts from 0."""
    out = io.StringIO()
    keys, rungs = keys_of(results), results.plan.rungs
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(
        [
            "method",
            "trial",
            "status",
            *keys,
            "rounds",
            "client_steps",
            results.plan.measure.name,
            "best_round",
        ]
        + [f"validation_{rounds}" for rounds in rungs]
        + ["seconds", "joules", "folder"]
    )
    for row in results.rows:
        values = [*row.values, *[None] * (len(rungs) - len(row.values))]
        writer.writerow(
            [row.trial.method, row.trial.number, row.status]
            + [row.trial.values.get(key, "") for key in keys]
            + [row.used.rounds, row.used.client_steps, "" if row.value is None else repr(row.value)]
            + ["" if row.best_round is None else row.best_round]
            + ["" if value is None else repr(value) for value in values]
            + [f"{row.used.seconds:.3f}", number_text(row.used.joules, 3)]
            + [study.run_folder(row.trial).relative_to(study.folder)]
        )
    return out.getvalue()


def markdown_table(head: list[str], rows: list[list[str]], numbers: int) -> str:
    """A table whose last `numbers` columns are aligned to the right, and padded to be read as it stands."""
    widths = [max(map(len, column)) for column in zip(head, *rows)]
    left = len(head) - numbers

    def line(cells: list[str]) -> str:
        padded = [
            cell.ljust(width) if i < left else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(cells, widths))
        ]
        return f"| {' | '.join(padded)} |"

    rule = ["-" * width if i < left else "-" * (width - 1) + ":" for i, width in enumerate(widths)]
    return "\n".join([line(head), line(rule), *map(line, rows)])


def values_text(row: Row) -> str:
    return ", ".join(f"{key} = {value}" for key, value in row.trial.values.items()) or "(nothing tried)"


def method_rows(results: Results) -> list[list[str]]:
    rows = []
    for method, best in results.best.items():
        plan, spent = results.plan.methods[method], results.spent(method)
        sizes = [
            sum(len(row.values) > rung for row in results.of(method))
            for rung in range(len(results.plan.rungs))
        ]
        rows.append(
            [
                method,
                values_text(best) if best else "none",
                ", ".join(map(str, sizes)),
                number_text(best.value if best else None),
                f"{plan.planned:.0f}",
                "not on record" if spent is None else f"{spent:.0f}",
                "" if spent is None else f"{100 * spent / results.plan.budget:.1f} %",
                f"{sum(row.used.seconds for row in results.of(method)):.1f}",
            ]
        )
    return rows


def trial_rows(results: Results) -> list[list[str]]:
    return [
        [
            row.trial.name,
            values_text(row),
            row.status,
            str(row.used.rounds),
            str(row.used.client_steps),
            number_text(row.value),
        ]
        for row in results.rows
    ]


def edge_warnings(study: Study, results: Results) -> list[str]:
    """Best values at an end of their range."""
    found = []
    for method, best in results.best.items():
        for dimension in study.space.of(method) if best else []:
            edge = dimension.edge(best.trial.values[dimension.key])
            if edge:
                found.append(
                    f"{method}: the best {dimension.key}, {best.trial.values[dimension.key]}, lies at the "
                    f"{edge} end of {dimension}. A better one may lie beyond: widen the range."
                )
    return found


def budget_warnings(results: Results) -> list[str]:
    """Budgets that were left by more than a trial's first rung, or went over."""
    found = []
    for method, plan in results.plan.methods.items():
        spent, budget = results.spent(method), results.plan.budget
        if spent is None or not results.complete:
            continue
        if budget - spent > max(cost[0] for cost in plan.costs):
            found.append(
                f"{method}: {budget - spent:.0f} {results.plan.unit} of the budget were not used: trials "
                "ended early, differ in what they take, or the space or grid has no more of them."
            )
        if spent > budget:
            found.append(
                f"{method}: {spent - budget:.0f} {results.plan.unit} more than the budget were used."
            )
    return found


def best_warnings(results: Results) -> list[str]:
    if not results.complete:
        return ["Trials are missing: the same call runs them."]
    return [
        f"{method}: no trial has a validation to choose by. Look at the .log of its trials."
        for method, best in results.best.items()
        if best is None
    ]


def final_command(study: Study, results: Results) -> str:
    """The runs that a tuning is for, over seeds that it has not seen."""
    methods = " ".join(method for method, best in results.best.items() if best)
    seed = int(results.plan.request["config"].get("run.seed", "0"))
    return (
        f"for seed in {' '.join(str(seed + i) for i in (1, 2, 3))}; do for method in {methods}; do\n"
        f"  harmofl train --config {study.folder}/best/$method.ini --run.seed $seed \\\n"
        f"    --run.output {study.folder}/final/$method-seed$seed\n"
        "done; done"
    )


def text_of(study: Study, results: Results, every_trial: bool = True) -> str:
    """The tables in Markdown, and what is to be said of them."""
    plan = results.plan
    rungs = ", ".join(map(str, plan.rungs))
    head = ["method", "best", f"trials to {rungs} rounds", f"validation {plan.measure.name}"]
    head += ["planned", "counted", "of the budget", "seconds"]
    parts = [
        f"Budget of each method: {plan.budget:.0f} {plan.unit}.",
        markdown_table(head, method_rows(results), 5),
    ]
    warnings = [*best_warnings(results), *budget_warnings(results), *edge_warnings(study, results)]
    if warnings:
        parts.append("\n".join(f"- {warning}" for warning in warnings))
    if every_trial:
        names = ["trial", "values", "status", "rounds", "client steps", f"validation {plan.measure.name}"]
        parts.append(markdown_table(names, trial_rows(results), 3))
    if any(results.best.values()):
        indented = "\n".join(f"    {line}" for line in final_command(study, results).splitlines())
        parts.append(
            f"The best configurations lie in {study.folder}/best. Final runs, over other seeds:\n\n{indented}"
        )
    return "\n\n".join(parts) + "\n"


def write_results(study: Study, results: Results) -> pathlib.Path:
    """Writes trials.csv, tuning.md and best/METHOD.ini. Returns the folder."""
    write_text(study.folder / "trials.csv", csv_text(study, results))
    write_text(study.folder / "tuning.md", text_of(study, results))
    for method, best in results.best.items():
        path = study.folder / "best" / f"{method}.ini"
        if best is None:
            path.unlink(missing_ok=True)
            continue
        rounds = {"run.rounds": str(results.plan.rungs[-1])}
        write_text(path, ini_text(trial_config(results.plan.request, method, best.trial.values) | rounds))
    return study.folder
