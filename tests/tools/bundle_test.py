#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The bundle (tools/bundle.sh), unpacked where there is Python and PyTorch and nothing of ours.

    bundle_test.py ARCHIVE PYTORCH      as root; PYTORCH is a folder with torch/ and nvidia/, mounted there

The root file system is made of the files of some of this Debian's packages and of those that they depend
on. PyTorch is the wheel that the bundle was built with, the one that a machine with a GPU has; no driver is
there, so that everything runs on the CPU or says that there is no GPU. Skipped where nothing can be mounted.
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

SKIPPED = 77
INSIDE = "HARMOFL_IN_MOUNT_NAMESPACE"
PACKAGES = (
    "base-files",
    "bash",
    "coreutils",
    "findutils",
    "grep",
    "gzip",
    "sed",
    "tar",
    "python3",
    "libstdc++6",
)
# Files by whose names one sees that something was left to the machine.
OURS = (
    "libmpi.so*",
    "libhdf5*",
    "libboost*",
    "libpng*",
    "libtiff*",
    "mpirun",
    "orted",
    "libtorch*",
    "libnccl*",
)
CASE = "bench/cnn-32/fp32/eager"


def said(*command, **options):
    return subprocess.run(command, check=True, capture_output=True, text=True, **options).stdout


def closure(packages):
    """These packages and all that they depend on, as far as they are installed."""
    options = "recommends suggests conflicts breaks replaces enhances".split()
    lines = said(
        "apt-cache", "depends", "--recurse", "--installed", *(f"--no-{word}" for word in options), *packages
    ).splitlines()
    names = {line.split(":")[0].strip() for line in lines if line[:1].strip() and not line.startswith("<")}
    status = said("dpkg-query", "-W", "-f", "${Package} ${Status}\n", *sorted(names)).splitlines()
    return [line.split()[0] for line in status if line.endswith("install ok installed")]


def make_root(root):
    """A root file system of PACKAGES in the folder."""
    for name in ("bin", "sbin", "lib", "lib64"):
        (root / "usr" / name).mkdir(parents=True, exist_ok=True)
        (root / name).symlink_to(f"usr/{name}")
    files = said("dpkg", "--listfiles", *closure(PACKAGES)).splitlines()
    wanted = sorted(
        {path for path in files if path.startswith("/") and os.path.lexists(path) and path != "/."}
    )
    listing = "\0".join(path for path in wanted if "/usr/share/" not in path or "python" in path)
    with subprocess.Popen(
        ("tar", "--create", "--no-recursion", "--null", "--files-from=-", "--absolute-names"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as packing:
        unpack = ("tar", "--extract", "--keep-directory-symlink", "--directory", root)
        with subprocess.Popen(unpack, stdin=packing.stdout) as unpacking:
            packing.stdin.write(listing.encode())
            packing.stdin.close()
            assert unpacking.wait() == 0
    for name in ("proc", "sys", "dev", "tmp", "root", "opt/pytorch", "home/empty"):
        (root / name).mkdir(parents=True, exist_ok=True)


def mount(root, pytorch):
    """What a running system has, for this process and its children alone."""
    subprocess.run(("mount", "-t", "proc", "proc", root / "proc"), check=True)
    for name in ("sys", "dev"):
        subprocess.run(("mount", "--rbind", f"/{name}", root / name), check=True)
    subprocess.run(("mount", "--bind", "-o", "ro", pytorch, root / "opt/pytorch"), check=True)


class Bundle(unittest.TestCase):
    """In order: what is unpacked in the empty folder is used by all of them."""

    @classmethod
    def setUpClass(cls):
        cls.root = pathlib.Path(tempfile.mkdtemp(prefix="harmofl-root-"))
        # The mounts end with this process, after this; then the folder can go (see main).
        print(f"root file system: {cls.root}", file=sys.stderr)
        make_root(cls.root)
        mount(cls.root, PYTORCH)
        cls.bare = [path for pattern in OURS for path in (cls.root / "usr").rglob(pattern)]
        subprocess.run(("tar", "-xzf", ARCHIVE, "-C", cls.root / "home/empty"), check=True)
        cls.bundle = "/home/empty/harmofl-bundle"

    def there(self, *command, code=0, **environment):
        """What a command says in the root file system; `code`: its exit status."""
        done = subprocess.run(
            ("/usr/sbin/chroot", self.root, *command),
            env={"PATH": "/usr/bin:/bin", "HOME": "/root", **environment},
            capture_output=True,
            text=True,
            check=False,
            timeout=400,
        )
        text = done.stdout + done.stderr
        self.assertEqual(done.returncode, code, text)
        return text

    def check(self, *options, code=0):
        """Runs gpu-check.sh; what it said, and the results of its report by part."""
        text = self.there(
            f"{self.bundle}/gpu-check.sh",
            "--output",
            "/tmp/report",
            *options,
            code=code,
            PYTHONPATH="/opt/pytorch",
        )
        report = json.loads((self.root / "tmp/report/report.json").read_text())
        return text, {part["name"]: part for part in report["parts"]}

    def test_1_the_system_is_bare(self):
        self.assertEqual(self.bare, [])
        self.assertFalse((self.root / "usr/bin/g++").exists())

    def test_2_without_a_torch_it_says_what_to_do(self):
        text = self.there(f"{self.bundle}/bin/harmofl", "algorithms", code=1)
        self.assertIn("python3 has no torch", text)
        self.assertIn("HARMOFL_TORCH", text)

    def test_3_another_version_of_torch_is_refused_by_name(self):
        other = self.root / "opt/other/torch"
        (other / "lib").mkdir(parents=True)
        (other / "lib/libtorch_cpu.so").touch()
        (other / "version.py").write_text("__version__ = '2.99.0+cu999'\n")
        text = self.there(
            f"{self.bundle}/bin/harmofl", "algorithms", code=1, HARMOFL_TORCH="/opt/other/torch"
        )
        self.assertIn("PyTorch 2.99.0+cu999", text)
        self.assertIn("built with 2.11.0+cu130", text)

    def test_4_a_folder_of_torch_is_enough(self):
        text = self.there(f"{self.bundle}/bin/harmofl", "algorithms", HARMOFL_TORCH="/opt/pytorch/torch")
        self.assertIn("harmofl", text)

    def test_5_no_time_leaves_all_parts_not_run(self):
        _, parts = self.check("--limit", "1")
        self.assertGreater(len(parts), 20)
        parts.pop("sanitizer/memcheck")  # is not installed, whatever the time
        self.assertEqual({part["result"] for part in parts.values()}, {"not run"})

    def test_6_what_needs_no_gpu_passes_and_the_rest_says_why_not(self):
        text, parts = self.check("--only", f"start,train/*,tests/*,sanitizer/*,{CASE}")
        for name in ("start", "train/cpu"):
            self.assertEqual(parts[name]["result"], "passed", parts[name])
        for name, part in parts.items():
            if name.startswith(("tests/", "train/cuda")) or name == CASE:
                self.assertEqual(part["result"], "skipped", f"{name}: {part}\n{text}")
                self.assertIn("no GPU is usable", part["note"])
        self.assertIn("compute-sanitizer", parts["sanitizer/memcheck"]["note"])
        self.assertEqual(
            [name for name in parts if name.startswith("tests/nccl")],
            ["tests/nccl-1", "tests/nccl-2", "tests/nccl-4"],
        )
        markdown = (self.root / "tmp/report/report.md").read_text()
        self.assertIn("| train/cpu | passed |", markdown)
        self.assertIn("| bench/unet-384/bf16/compile | not run |", markdown)

    def test_7_a_second_call_does_only_what_is_missing(self):
        text, parts = self.check("--only", "start,train/cpu,bench/cnn-32/bf16/eager")
        self.assertNotIn("train/cpu ...", text)
        self.assertIn("bench/cnn-32/bf16/eager ...", text)
        self.assertEqual(parts["train/cpu"]["result"], "passed")

    def test_8_a_folder_that_was_moved_runs_and_leaves_nothing_behind(self):
        before = self.there("find", self.bundle, "-type", "f")
        moved = self.root / "opt/elsewhere"
        shutil.move(self.root / self.bundle[1:], moved)
        type(self).bundle = "/opt/elsewhere"
        _, parts = self.check("--only", "start,train/cpu", "--again")
        self.assertEqual([parts[name]["result"] for name in ("start", "train/cpu")], ["passed"] * 2)
        after = self.there("find", self.bundle, "-type", "f")
        self.assertEqual(before.count("\n"), after.count("\n"))


def main():
    if os.geteuid() != 0 or subprocess.run(("unshare", "--mount", "true"), check=False).returncode != 0:
        print("skipped: nothing can be mounted here")
        return SKIPPED
    if INSIDE not in os.environ:  # all mounts are this child's, and end with it
        command = ("unshare", "--mount", "--propagation", "private", sys.executable, *sys.argv)
        with tempfile.TemporaryDirectory(prefix="harmofl-bare-") as folder:
            return subprocess.run(
                command, check=False, env={**os.environ, INSIDE: "1", "TMPDIR": folder}
            ).returncode
    program = unittest.main(argv=sys.argv[:1], exit=False, verbosity=2)
    return 0 if program.result.wasSuccessful() and program.result.testsRun else 1


if __name__ == "__main__":
    ARCHIVE, PYTORCH = (os.path.abspath(path) for path in sys.argv[1:3])
    sys.exit(main())
