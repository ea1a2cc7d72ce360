# SPDX-License-Identifier: Apache-2.0
"""The programs as they were linked: what makes a defect end them is in place.

    hardening_test.py BUILD_FOLDER

Reads the programs with readelf and objdump. Skipped in builds for debugging or with sanitizers, which
are without.
"""

import pathlib
import platform
import re
import shutil
import subprocess
import sys
import unittest

BUILD = pathlib.Path(sys.argv.pop(1)) if len(sys.argv) > 1 else pathlib.Path("build/release")
PROGRAMS = ("harmofl", "harmofl-prepare")


def settings():
    """What the build was configured with."""
    lines = (BUILD / "CMakeCache.txt").read_text().splitlines()
    return dict(re.split(r":[^=]*=", line, maxsplit=1) for line in lines if re.match("[A-Z_]+:", line))


class Hardening(unittest.TestCase):
    """Position, memory protection and checks of each program."""

    def expect(self, option, pattern, reader="readelf"):
        """What is read of each program has a match; the text is long and not shown."""
        for program in PROGRAMS:
            with self.subTest(program=program):
                command = (reader, option, "--wide", BUILD / program)
                said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
                self.assertTrue(re.search(pattern, said), f"{reader} {option} shows no {pattern}")

    def test_programs_may_be_loaded_anywhere(self):
        self.expect("--file-header", r"Type:\s+DYN")

    def test_addresses_of_functions_are_read_only_once_the_program_runs(self):
        self.expect("--program-headers", "GNU_RELRO")
        self.expect("--dynamic", r"FLAGS.*NOW")

    def test_nothing_on_the_stack_is_run(self):
        self.expect("--program-headers", r"GNU_STACK\s.* RW\s")

    def test_stacks_and_copies_are_checked(self):
        self.expect("--dyn-syms", r"\b__stack_chk_fail\b")
        self.expect("--dyn-syms", r"\b__\w+_chk\b")

    @unittest.skipIf(platform.machine() != "x86_64", "of x86-64 only")
    def test_jumps_end_where_a_jump_may_end(self):
        # Not by the program's note: Debian's own start-up code has none, so that none has it.
        self.expect("--disassemble=main", r"<main>:\n.*\bendbr64\b", "objdump")


if __name__ == "__main__":
    found = settings()
    if found.get("HARMOFL_SANITIZE") or found.get("CMAKE_BUILD_TYPE") == "Debug":
        print("skipped: this build has checks of its own")
        sys.exit(77)
    if shutil.which("readelf") is None or shutil.which("objdump") is None:
        print("skipped: there is no readelf or objdump (binutils)")
        sys.exit(77)
    unittest.main()
