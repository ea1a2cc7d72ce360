# SPDX-License-Identifier: Apache-2.0
"""The report of a check: report.json, and report.md to read. Written anew after every part."""

import json
import os
import pathlib

RESULTS = ("passed", "failed", "timed out", "skipped", "not run")
FINAL = ("passed", "failed", "timed out", "skipped")  # what a later call leaves as it is


def write(path, text):
    """All of it or nothing: a call that is cut off leaves the report before."""
    part = pathlib.Path(f"{path}.part")
    part.write_text(text, encoding="utf-8")
    os.replace(part, path)


def counts(parts):
    """Of each result that there is, as text."""
    found = [part["result"] for part in parts]
    return ", ".join(f"{found.count(result)} {result}" for result in RESULTS if result in found)


def cell(text):
    return str(text).replace("|", "\\|").replace("\n", " ")


def table(names, rows):
    lines = ["| " + " | ".join(names) + " |", "|" + "---|" * len(names)]
    return lines + ["| " + " | ".join(cell(value) for value in row) + " |" for row in rows]


def figure_rows(figures):
    for row in figures:
        if row["ratio"] is None:
            yield (row["name"], "-", "-", "-", row["what"])
            continue
        low, high = row["spread"]
        spread = f" ({low:.3f} to {high:.3f})" if row["repeats"] > 1 else ""
        yield (
            row["name"],
            f"{row['ours']:.4g}",
            f"{row['other']:.4g}",
            f"{row['ratio']:.3f}{spread}",
            row["what"],
        )


def markdown(report):
    parts = report["parts"]
    lines = ["# GPU check", "", counts(parts), "", "## Machine and bundle", ""]
    lines += table(("what", "is"), report["machine"].items())
    lines += ["", "## Parts", ""]
    lines += table(
        ("part", "result", "seconds", "note"),
        ((part["name"], part["result"], f"{part['seconds']:.1f}", part["note"]) for part in parts),
    )
    if report["figures"]:
        lines += ["", "## Figures", ""]
        lines += table(("figure", "ours", "other", "ratio", "what"), figure_rows(report["figures"]))
    for part in parts:
        if part["tail"]:
            lines += [
                "",
                f"## {part['name']}: {part['result']}, {part['note']}",
                "",
                "```",
                part["tail"],
                "```",
            ]
    return "\n".join(lines) + "\n"


class Report:
    """What is known of all parts; those that were not reached are `not run`."""

    def __init__(self, folder, machine, names, again=False):
        self.folder = pathlib.Path(folder)
        (self.folder / "logs").mkdir(parents=True, exist_ok=True)
        (self.folder / "figures").mkdir(exist_ok=True)
        self.machine = machine
        known = {} if again else self._kept()
        self._parts = {name: known.get(name) or self._unreached(name) for name in names}

    def _kept(self):
        """What an earlier call found on this machine with this bundle."""
        try:
            old = json.loads((self.folder / "report.json").read_text(encoding="utf-8"))
            if old["machine"] != self.machine:
                return {}
            return {part["name"]: part for part in old["parts"] if part["result"] in FINAL}
        except (OSError, ValueError, KeyError):
            return {}

    @staticmethod
    def _unreached(name):
        return {"name": name, "result": "not run", "seconds": 0.0, "note": "not reached", "tail": ""}

    def is_known(self, name):
        return self._parts[name]["result"] in FINAL

    def add(self, name, outcome):
        self._parts[name] = {"name": name, **vars(outcome)}
        self.save()

    def figures(self):
        rows = []
        for path in sorted((self.folder / "figures").glob("*.json")):
            try:
                rows += json.loads(path.read_text(encoding="utf-8"))
            except ValueError:
                continue  # of a case that was cut off; its part says so
        return rows

    def content(self):
        return {"machine": self.machine, "parts": list(self._parts.values()), "figures": self.figures()}

    def save(self):
        content = self.content()
        write(self.folder / "report.json", json.dumps(content, indent=1) + "\n")
        write(self.folder / "report.md", markdown(content))
