# SPDX-License-Identifier: Apache-2.0
"""What was found so far: a line of JSON for each fault, the last one about a fault counts."""

import json
import pathlib

LAYERS = ("fl", "data", "model", "comm", "io")


class Ledger:
    """A file that is only added to, so that a run can be ended at any time and continued."""

    def __init__(self, path):
        self.path = pathlib.Path(path)
        self.entries = {}
        if self.path.is_file():
            for line in self.path.read_text(encoding="utf-8").splitlines():
                entry = json.loads(line)
                self.entries[entry["fault"]] = entry

    def write(self, fault, verdict, tests=(), seconds=0.0, reason=""):
        entry = {
            "fault": fault.key(),
            "file": fault.file,
            "line": fault.line,
            "kind": fault.kind,
            "before": fault.before,
            "after": fault.after,
            "verdict": verdict,
            "tests": list(tests),
            "seconds": round(seconds, 1),
            "reason": reason,
        }
        self.entries[fault.key()] = entry
        with open(self.path, "a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")
        return entry

    def open_tests(self, fault, tests):
        """Those of the tests that are still to be run for a fault."""
        entry = self.entries.get(fault.key())
        if entry is None:
            return tests
        if entry["verdict"] != "survived":
            return []
        return [test for test in tests if test.name not in entry["tests"]]

    def done_tests(self, fault):
        entry = self.entries.get(fault.key())
        return entry["tests"] if entry else []


def layer_of(entry):
    return entry["file"].split("/")[1]


def report(ledger):
    """A table by layer, then the faults that nothing noticed."""
    lines = [f"{'layer':<8}{'faults':>8}{'noticed':>9}{'equivalent':>12}{'survived':>10}"]
    entries = list(ledger.entries.values())
    for layer in (*LAYERS, "all"):
        own = [entry for entry in entries if layer in ("all", layer_of(entry))]
        counts = {}
        for entry in own:
            verdict = entry["verdict"].split(":")[0]
            counts[verdict] = counts.get(verdict, 0) + 1
        run = [counts.get(name, 0) for name in ("killed-by", "equivalent", "survived")]
        lines.append(f"{layer:<8}{sum(run):>8}{run[0]:>9}{run[1]:>12}{run[2]:>10}")
    refused = sum(entry["verdict"] == "does not compile" for entry in entries)
    lines.append(f"{refused} more do not compile")
    lines += [entry["fault"] for entry in entries if entry["verdict"] == "survived"]
    return "\n".join(lines)
