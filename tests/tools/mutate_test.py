# SPDX-License-Identifier: Apache-2.0
"""tools/mutate: which faults are found in a source, and how they are planted."""

import pathlib
import subprocess
import sys
import tempfile
import unittest

TOOLS = pathlib.Path(__file__).resolve().parents[2] / "tools"
sys.path.insert(0, str(TOOLS))

from mutate import faults, ledger, nearest, planting  # noqa: E402

SOURCE = """\
#include <vector>
#define TWICE(x) (x + x)
// if (a + b) c(); in a comment
namespace {
constexpr double factor = 0.5;
}  // namespace
int sum(const std::vector<int>& values, bool half) {
  int total = 0;
  for (const int value : values) {
    if (value < 0) continue;
    total += value;
    values_.push_back(value);
  }
  log::info("a - b");
  HARMOFL_EXPECT(total >= 0);
  if (half && total > 1) total = static_cast<int>(total * factor);
  int first = 1, second = 2;
  return total + 1;
}
"""


def found_in(source):
    return [
        (fault.line, fault.kind, fault.before, fault.after)
        for fault in faults.Source("src/fl/sum.cpp", source).faults()
    ]


class Faults(unittest.TestCase):
    def test_operators_constants_conditions_and_statements(self):
        found = found_in(SOURCE)
        for wanted in (
            (5, "constant", "0.5", "1.5 * 0.5"),
            (8, "constant", "0", "1"),
            (10, "condition", "value < 0", "!(value < 0)"),
            (10, "operator", "value < 0", "value <= 0"),
            (11, "operator", "total += value", "total -= value"),
            (11, "statement", "total += value", ""),
            (12, "statement", "values_.push_back(value)", ""),
            (16, "operator", "half && total > 1", "half || total > 1"),
            (16, "operator", "static_cast<int>(total * factor)", "static_cast<int>(total / factor)"),
            (18, "constant", "total + 1", "total + 2"),
            (18, "operator", "total + 1", "total - 1"),
        ):
            self.assertIn(wanted, found)

    def test_nothing_in_comments_messages_includes_log_lines_and_checks_that_are_off(self):
        lines = {line for line, *_ in found_in(SOURCE)}
        self.assertFalse(lines & {1, 2, 3, 4, 6, 14, 15}, found_in(SOURCE))

    def test_nothing_in_a_list_of_variables(self):
        self.assertNotIn(17, {line for line, *_ in found_in(SOURCE)})

    def test_a_draw_repeats_itself_and_overlaps_nowhere(self):
        sources = {"src/fl/sum.cpp": SOURCE, "src/io/sum.cpp": SOURCE}
        drawn = faults.draw(sources, 10, seed=3, most_in_file=5)
        self.assertEqual(drawn, faults.draw(sources, 10, seed=3, most_in_file=5))
        self.assertNotEqual(drawn, faults.draw(sources, 10, seed=4, most_in_file=5))
        self.assertEqual(len(drawn), 10)
        for one, next_one in zip(drawn, drawn[1:]):
            self.assertTrue(one.file != next_one.file or one.end <= next_one.start)


PROGRAM = """\
#include <cstdio>
constexpr int step = 2;
int count(int n) {
  int total = 0;
  for (int i = 0; i < n; ++i) {
    if (i > 1) total += step;
  }
  return total * 3;
}
int main() { std::printf("%d", count(5)); }
"""


class Planting(unittest.TestCase):
    def results(self, folder):
        """What a program of all faults prints without one and with each switched on."""
        drawn = faults.draw({"a.cpp": PROGRAM}, 20, seed=1, most_in_file=20)
        numbered = list(enumerate(drawn, 1))
        (folder / "planted.hpp").write_text(planting.HEADER)
        made = planting.with_faults(PROGRAM, numbered, folder / "planted.hpp")
        (folder / "a.cpp").write_text(made)
        subprocess.run(("g++", "-std=c++20", "-o", folder / "a", folder / "a.cpp"), check=True)
        return drawn, [
            subprocess.run(
                folder / "a", env={"HARMOFL_PLANTED": str(number)}, capture_output=True, text=True, check=True
            ).stdout
            for number in range(len(drawn) + 1)
        ]

    def test_a_number_switches_on_one_fault(self):
        with tempfile.TemporaryDirectory() as folder:
            drawn, results = self.results(pathlib.Path(folder))
        self.assertEqual(results[0], "18")
        for fault, result in zip(drawn, results[1:]):
            if fault.before not in ("i > 1", "total * 3", "2", "0"):
                continue
            self.assertNotEqual(result, "18", fault.key())
        self.assertIn("constant", {fault.kind for fault in drawn})
        self.assertTrue(any(result != "18" for result in results[1:]))

    def test_a_program_notes_the_faults_that_it_comes_by(self):
        source = PROGRAM.replace("if (i > 1)", "if (i > n)")  # so that its branch is never taken
        drawn = faults.draw({"a.cpp": source}, 20, seed=1, most_in_file=20)
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            (folder / "planted.hpp").write_text(planting.HEADER)
            made = planting.with_faults(source, list(enumerate(drawn, 1)), folder / "planted.hpp")
            (folder / "a.cpp").write_text(made)
            subprocess.run(("g++", "-std=c++20", "-o", folder / "a", folder / "a.cpp"), check=True)
            notes = folder / "reached"
            notes.write_bytes(bytes(planting.MOST_FAULTS + 1))
            subprocess.run(folder / "a", env={"HARMOFL_REACHED": str(notes)}, check=True, capture_output=True)
            reached = [number for number, byte in enumerate(notes.read_bytes()) if byte]
        skipped = [number for number, fault in enumerate(drawn, 1) if "total +=" in fault.before]
        self.assertTrue(skipped)
        self.assertEqual(reached, [number for number in range(1, len(drawn) + 1) if number not in skipped])

    def test_lines_keep_their_numbers(self):
        drawn = faults.draw({"a.cpp": PROGRAM}, 20, seed=1, most_in_file=20)
        made = planting.with_faults(PROGRAM, list(enumerate(drawn, 1)), "planted.hpp")
        lines = made.split("#line 1\n")[1].splitlines()
        self.assertEqual(len(lines), len(PROGRAM.splitlines()))


class Ledger(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = pathlib.Path(folder.name) / "ledger.jsonl"
        self.faults = faults.Source("src/fl/sum.cpp", SOURCE).faults()
        self.tests = [nearest.Test(name, "unit", ("true",)) for name in ("near", "far")]

    def test_goes_on_where_it_was_ended(self):
        book = ledger.Ledger(self.path)
        book.write(self.faults[0], "killed-by: near", ["near"])
        book.write(self.faults[1], "survived", ["near"])
        again = ledger.Ledger(self.path)
        self.assertEqual(again.open_tests(self.faults[0], self.tests), [])
        self.assertEqual(again.open_tests(self.faults[1], self.tests), self.tests[1:])
        self.assertEqual(again.open_tests(self.faults[2], self.tests), self.tests)

    def test_report_counts_the_last_word_on_a_fault(self):
        book = ledger.Ledger(self.path)
        book.write(self.faults[0], "survived", ["near"])
        book.write(self.faults[0], "killed-by: far", ["near", "far"])
        book.write(self.faults[1], "survived", ["near", "far"])
        book.write(self.faults[2], "does not compile")
        lines = ledger.report(book).splitlines()
        self.assertEqual(lines[1].split(), ["fl", "2", "1", "0", "1"])
        self.assertIn("1 more do not compile", lines)
        self.assertEqual(lines[-1], self.faults[1].key())


class Reach(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.known = nearest.Reach(pathlib.Path(folder.name) / "reach.jsonl")

    def found(self, number, layer):
        folder = pathlib.Path("/source")
        return nearest.Reach(self.known.path).tests_for(number, layer, folder, folder / "build", "python3")

    def test_only_what_comes_by_a_fault_is_run_the_nearest_and_shortest_first(self):
        for part, seconds, reached in (
            (nearest.Part("mpi", "fl", "fl/fl_mpi_test", 2, "Hosting"), 4.0, [1]),
            (nearest.Part("unit", "io", "io/io_test", 1, "Csv"), 0.1, [1, 2]),
            (nearest.Part("unit", "fl", "fl/fl_unit_test", 1, "Plan"), 3.0, [1, 3]),
            (nearest.Part("mpi", "fl", "fl/fl_mpi_test", 2, "Identities"), 30.0, [1]),
            (nearest.Part("unit", "fl", "fl/fl_unit_test", 1, "Fast/Cohort"), 0.5, [1]),
            (nearest.Part("end_to_end", "", "end_to_end.resume", 1, "Resume"), 9.0, [1]),
        ):
            self.known.write(part, seconds, reached)
        tests = self.found(1, "fl")
        self.assertEqual(
            [test.name for test in tests],
            [
                "fl_unit_test on 1",
                "io_test on 1",
                "fl_mpi_test on 2",
                "end_to_end.resume on 1, slow suites",
                "fl_mpi_test on 2, slow suites",
            ],
        )
        self.assertEqual(tests[0].usual_s, 3.5)
        self.assertIn("--gtest_filter=Fast/Cohort.*:Plan.*", tests[0].command)
        self.assertEqual(tests[2].command[:3], ("mpirun", "-n", "2"))
        self.assertIn("Resume", tests[3].command)
        self.assertEqual([test.name for test in self.found(3, "data")], ["fl_unit_test on 1"])
        self.assertEqual(self.found(4, "fl"), [])


if __name__ == "__main__":
    unittest.main()
