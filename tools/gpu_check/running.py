# SPDX-License-Identifier: Apache-2.0
"""One part, run to its end or to its time limit."""

import os
import signal
import subprocess
import time
from dataclasses import dataclass

from .parts import SKIPPED

LEAST = 5  # seconds below which no part is begun
KEPT_LINES = 40  # of a part's output in the report


@dataclass(frozen=True)
class Outcome:
    """What became of a part."""

    result: str  # passed, failed, skipped, timed out, not run
    seconds: float = 0.0
    note: str = ""  # why, where it is not "passed"
    tail: str = ""  # last lines of its output, where it failed


def limit_of(part, left):
    """The seconds that a part may take where so many are left in all (None: any number), and whether
    it is the part's own limit."""
    if left is None or left >= part.limit:
        return part.limit, True
    return left, False


def end(process):
    """Ends all processes of a part: it leads a session of its own."""
    for sign, patience in ((signal.SIGTERM, 5), (signal.SIGKILL, 5)):
        try:
            os.killpg(process.pid, sign)
        except ProcessLookupError:
            pass
        try:
            process.wait(patience)
        except subprocess.TimeoutExpired:
            continue
        if sign == signal.SIGKILL:
            return


def last_line(text):
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else ""


def skip_reason(text):
    """GoogleTest's reason is in the middle of its output; others say theirs last. The first line of a log
    is the command."""
    for line in text.splitlines()[1:]:
        if "no usable GPU" in line:
            return line.strip()
    return last_line(text)


def judge(code, seconds, text):
    """The outcome of a part that ended by itself."""
    if code == 0:
        return Outcome("passed", seconds)
    if code == SKIPPED:
        return Outcome("skipped", seconds, skip_reason(text))
    how = f"exit status {code}" if code > 0 else f"signal {-code}"
    return Outcome("failed", seconds, how, "\n".join(text.splitlines()[-KEPT_LINES:]))


def run(part, left, log):
    """Runs a part; its output goes to the file `log`. `left`: seconds in all, or None."""
    if part.missing:
        return Outcome("skipped", 0.0, part.missing)
    limit, own = limit_of(part, left)
    if limit < LEAST:
        return Outcome("not run", 0.0, "no time was left")
    begin = time.monotonic()
    with open(log, "w", encoding="utf-8") as file:
        file.write(" ".join(part.command) + "\n")
        file.flush()
        try:
            process = subprocess.Popen(
                part.command,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                env={**os.environ, **part.environment},
                start_new_session=True,
            )
        except OSError as problem:
            return Outcome("failed", 0.0, str(problem))
        try:
            code = process.wait(limit)
        except subprocess.TimeoutExpired:
            code = None
        end(process)  # also what a part left running
    seconds = time.monotonic() - begin
    with open(log, encoding="utf-8", errors="replace") as file:
        text = file.read()
    if code is not None:
        return judge(code, seconds, text)
    if not own:
        return Outcome("not run", seconds, "cut off: no time was left")
    tail = "\n".join(text.splitlines()[-KEPT_LINES:])
    return Outcome("timed out", seconds, f"ended after its {part.limit} s", tail)
