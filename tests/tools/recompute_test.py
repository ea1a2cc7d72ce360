# SPDX-License-Identifier: Apache-2.0
"""tools/recompute_rounds.py where PyTorch is not needed: its help, and its random numbers."""

import os
import pathlib
import subprocess
import sys
import unittest

TOOLS = pathlib.Path(__file__).resolve().parents[2] / "tools"
sys.path.insert(0, str(TOOLS))

from recompute import random_numbers  # noqa: E402


def tool(*arguments):
    """The tool with a torch that cannot be imported."""
    without = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    block = (
        "import sys; sys.modules['torch'] = None; sys.argv = sys.argv[1:]; "
        "import runpy; runpy.run_path(sys.argv[0], run_name='__main__')"
    )
    path = TOOLS / "recompute_rounds.py"
    return subprocess.run(
        (sys.executable, "-c", block, path, *arguments), env=without, capture_output=True, text=True
    )


class WithoutPyTorch(unittest.TestCase):
    def test_help(self):
        result = tool("--help")
        self.assertEqual(result.returncode, 0, result)
        self.assertIn("--tolerance", result.stdout)

    def test_a_run_names_what_is_missing_and_the_remedy(self):
        result = tool("runs/none")
        self.assertEqual(result.returncode, 2, result)
        self.assertIn("Python cannot import", result.stderr)
        self.assertIn("tools/install-deps.sh --pytorch", result.stderr)
        self.assertNotIn("Traceback", result.stderr)


class RandomNumbers(unittest.TestCase):
    def test_philox_gives_the_published_answers(self):
        # Known answers of Philox4x32-10 in Random123 (D. E. Shaw Research), kat_vectors
        ones = 0xFFFFFFFF
        pi = (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344)
        for counter, key, answer in (
            ((0,) * 4, (0,) * 2, (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
            ((ones,) * 4, (ones,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
            (pi, (0xA4093822, 0x299F31D0), (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1)),
        ):
            self.assertEqual(random_numbers.philox(counter, key), answer)

    def test_splitmix_gives_the_published_answer(self):
        # The first output of splitmix64 from state 0 (Vigna, xoshiro.di.unimi.it/splitmix64.c)
        self.assertEqual(random_numbers.mixed(0), 0xE220A8397B1DCDAF)

    def test_a_permutation_has_everyone_once(self):
        stream = random_numbers.Stream(1, 2, 3, "shuffle")
        self.assertEqual(sorted(stream.permutation(50)), list(range(50)))


if __name__ == "__main__":
    unittest.main()
