# SPDX-License-Identifier: Apache-2.0
"""A program in the place of harmofl whose scores and steps are known, for the tests of tools/tune.py."""

import pathlib
import sys
import time

TOOLS = pathlib.Path(__file__).resolve().parents[2] / "tools"
sys.path.insert(0, str(TOOLS))

# Steps a round without perturbation or a personal model.
STEPS = 10
FACTOR = {"fedavg": 1, "harmofl": 2, "ditto": 2}

# Takes STEPS x factor x local epochs client steps a round. Validation grows with rounds and is highest for
# train.lr = 0.01: 1 - (log10(lr) + 2)^2 / 10 - 0.1 / (rounds done). Test is the opposite of validation, so
# that whoever chooses by it chooses the worst. A rate above FAKE_NAN becomes NaN; one below FAKE_FAIL fails;
# with FAKE_KILL = N the process dies in its N-th round without a word.
PROGRAM = """#!{python} -SE
import configparser, json, math, os, pathlib, sys
words = sys.argv[1:]
parser = configparser.ConfigParser(interpolation=None)
parser.read(words[words.index("--config") + 1])
key = lambda section, name, default: parser.get(section, name, fallback=default)
rounds = int(key("run", "rounds", "10"))
if "--run.rounds" in words:
    rounds = int(words[words.index("--run.rounds") + 1])
method, lr = key("algorithm", "name", "?"), float(key("train", "lr", "0.001"))
factor = {factor}.get(method)
if factor is None:
    sys.exit("error: algorithm.name = " + method + " is unknown.")
if not 0 < lr < 10:
    sys.exit("error: train.lr = %g is refused." % lr)
steps = {steps} * factor * int(key("train", "local_epochs", "1"))
if "--dry-run=json" in words:
    measure = {{"name": "dice", "lower_is_better": False, "may_be_undefined": False}}
    print(json.dumps({{"client_steps": [steps] * rounds, "measure": measure}}))
    sys.exit()
folder = pathlib.Path(key("run", "output", "?"))
folder.mkdir(parents=True, exist_ok=True)
(folder / "config.ini").write_text("")
done = len((folder / "rounds.jsonl").read_text().splitlines()) if (folder / "rounds.jsonl").exists() else 0
begun = done
with open(folder / "starts", "a") as file:
    file.write("%d\\n" % done)
if lr < float(os.environ.get("FAKE_FAIL", "0")):
    sys.exit("error: out of memory")
with open(folder / "metrics.jsonl", "a") as metrics, open(folder / "rounds.jsonl", "a") as lines:
    while done < rounds:
        if lr > float(os.environ.get("FAKE_NAN", "inf")) and done == 1:
            print("error: client a: its model holds NaN or infinite values after", file=sys.stderr)
            sys.exit(3)
        if done - begun + 1 == int(os.environ.get("FAKE_KILL", "0")):
            os._exit(9)
        value = 1 - (math.log10(lr) + 2) ** 2 / 10 - 0.1 / (done + 1)
        if os.environ.get("FAKE_VAL", "yes") == "yes":
            for site, shift in (("a", 0.25), ("b", -0.25)):
                score = {{"round": done, "site": site, "split": "val", "dice": value + shift}}
                metrics.write(json.dumps(score) + "\\n")
        metrics.write(json.dumps({{"round": done, "site": "a", "split": "test", "dice": -value}}) + "\\n")
        line = {{"round": done, "client_steps": steps, "seconds": 0.5}}
        if "FAKE_JOULES" in os.environ:
            line["joules"] = {{"cpu": steps * float(os.environ["FAKE_JOULES"])}}
        lines.write(json.dumps(line) + "\\n")
        metrics.flush(), lines.flush()
        done += 1
(folder / "summary.json").write_text(json.dumps({{"rounds": done, "stopped_by": "run.rounds"}}))
"""


def uses(folder, process):
    """Whether a process of /proc was called with something in the folder."""
    try:
        return str(folder).encode() in (process / "cmdline").read_bytes()
    except OSError:
        return False  # ended meanwhile


def until_unused(folder):
    """Waits for runs that go on though the tuner that started them was killed."""
    while any(uses(folder, process) for process in pathlib.Path("/proc").glob("[0-9]*")):
        time.sleep(0.02)


def write_program(folder):
    """Writes the program, and returns its path."""
    path = pathlib.Path(folder) / "harmofl"
    path.write_text(PROGRAM.format(python=sys.executable, steps=STEPS, factor=FACTOR))
    path.chmod(0o755)
    return str(path)
