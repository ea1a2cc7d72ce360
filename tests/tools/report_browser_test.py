#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The page of tools/report.py in a real browser: no word on the console, nothing wider than the window.

Needs Debian's chromium (tools/install-deps.sh --report). Where it is missing the tests are skipped with that
reason; in continuous integration, which installs it, they fail.
"""

import functools
import html
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

import report_support as support

SKIPPED = 77
CONSOLE = re.compile(r'CONSOLE[:(].*?"(.*)", source:')
POLICY = re.compile(r'<meta http-equiv="Content-Security-Policy"[^>]*>')
MEASURE = """<script>addEventListener("load", () => {
  const root = document.documentElement;
  const broken = [...document.images].filter(one => !one.complete || one.naturalWidth === 0).length;
  console.log(`MEASURED ${innerWidth} ${root.scrollWidth} ${document.images.length} ${broken}`);
});</script>"""


def why_not():
    """What keeps this machine from opening a page, or None."""
    if shutil.which("chromium") is None:
        return "chromium is not installed (tools/install-deps.sh --report does)"
    return None


def browse(folder, page, *arguments):
    """Opens a page without a window; what was said on the console."""
    command = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
    command += ["--disable-dev-shm-usage", "--enable-logging=stderr", f"--user-data-dir={folder / 'profile'}"]
    command += ["--virtual-time-budget=5000", *arguments, page.as_uri()]
    found = subprocess.run(
        command, capture_output=True, text=True, errors="replace", timeout=240, cwd=folder, check=False
    )
    if found.returncode != 0:
        raise AssertionError(f"chromium ended with {found.returncode}:\n{found.stderr[-3000:]}")
    return CONSOLE.findall(found.stderr)


@functools.cache
def folder():
    """A folder with the page of runs of two methods with long names, made once."""
    holder = tempfile.TemporaryDirectory(prefix="harmofl-browser-")
    unittest.addModuleCleanup(holder.cleanup)
    path = pathlib.Path(holder.name)
    for method in ("fedavg", "a-method-with-quite-a-long-name"):
        for seed in (0, 1):
            scores = {f"a-site-with-a-long-name-{k}": 0.5 + 0.01 * k for k in range(6)}
            support.write_run(path / "runs" / f"{method}{seed}", method, seed, scores)
    command = [sys.executable, support.TOOLS / "report.py", path / "runs", "--output", path / "page.html"]
    subprocess.run(command, check=True, capture_output=True)
    return path


class Browser(unittest.TestCase):
    def setUp(self):
        reason = why_not()
        if reason and os.environ.get("CI"):
            self.fail(reason)
        if reason:
            self.skipTest(reason)

    def measured(self, width):
        """The width of a window, of the page in it, the number of its pictures, and of broken ones: of a copy
        that may run a script, in a frame, since windows are not made narrower than 500 pixels."""
        text = POLICY.sub("", (folder() / "page.html").read_text()).replace("</body>", MEASURE + "</body>")
        frame = folder() / f"frame-{width}.html"
        style = f"width: {width}px; height: 900px; border: 0"
        frame.write_text(f'<!DOCTYPE html><iframe style="{style}" srcdoc="{html.escape(text)}"></iframe>')
        said = browse(folder(), frame, "--window-size=1600,1000", "--dump-dom")
        found = [line for line in said if line.startswith("MEASURED")]
        self.assertEqual(len(found), 1, said)
        return [int(word) for word in found[0].split()[1:]]

    def test_the_console_stays_empty(self):
        picture = folder() / "wide.png"
        said = browse(folder(), folder() / "page.html", "--window-size=1300,3000", f"--screenshot={picture}")
        self.assertEqual(said, [])
        self.assertGreater(picture.stat().st_size, 10000)

    def test_a_page_that_loads_something_is_noticed(self):
        other = folder() / "loads.html"
        text = (folder() / "page.html").read_text()
        other.write_text(text.replace("<main>", '<main><img alt="" src="http://127.0.0.1:9/x.png">'))
        self.assertTrue(browse(folder(), other, "--dump-dom"))

    def test_wide_and_narrow_windows_hold_the_page(self):
        for width in (1300, 360):
            with self.subTest(width):
                inner, page, pictures, broken = self.measured(width)
                self.assertEqual(inner, width)
                self.assertLessEqual(page, width)
                self.assertGreater(pictures, 2)
                self.assertEqual(broken, 0)


if __name__ == "__main__":
    program = unittest.main(exit=False, verbosity=2)
    if not program.result.wasSuccessful():
        sys.exit(1)
    sys.exit(SKIPPED if len(program.result.skipped) == program.result.testsRun else 0)
