#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""tools/scanner.py: each part against its formula, written out anew; nothing at strength 0, more with more
of it."""

import json
import math
import pathlib
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

try:
    import numpy
    from PIL import Image

    from report.measured import log_distance
    from scanner import Scanner, scanners
    from scanner.draws import generator, places
    from scanner.folders import ScannerError, scan_folders
    from scanner.optics import EOSIN, HAEMATOXYLIN, bias_field, restained, scanned
    from scanner.profile import BLUR_PX, LOG_GAIN, NOISE, unlikeness
except ImportError as missing:  # set up without tools/install-deps.sh
    print(f"skipped: {missing} (tools/install-deps.sh installs it)")
    sys.exit(77)

FIXTURE = ROOT / "tests/fixtures/bbbc038"
SITES = ("fluo256", "fluo360", "he_white")


def picture(height=12, width=10, low=0, high=256, seed=3):
    return numpy.random.default_rng(seed).integers(low, high, (height, width, 3)).astype(numpy.uint8)


def through(image, stain=False, **parameters):
    return scanned(image, Scanner(**parameters), generator("test"), stain)


class Parts(unittest.TestCase):
    def test_a_scanner_of_zeros_changes_nothing(self):
        every = numpy.arange(256, dtype=numpy.uint8).reshape(16, 16, 1).repeat(3, axis=2)
        for stain in (False, True):
            numpy.testing.assert_array_equal(through(every, stain), every)
            numpy.testing.assert_array_equal(through(picture(), stain), picture())

    def test_gain_gamma_and_cast(self):
        image = picture()
        cast = (0.2, -0.3, 0.1)
        found = through(image, log_gain=0.4, log_gamma=-0.3, log_cast=cast)
        for (y, x, c), value in numpy.ndenumerate(image):
            light = min(1.0, value / 255 * math.exp(0.4) * math.exp(cast[c]))
            self.assertEqual(found[y, x, c], round(255 * light ** math.exp(-0.3)), (y, x, c))

    def test_bias_field(self):
        """At (1, 1), (-1, 1) and the middle: P1 = t, P2 = (3 t^2 - 1) / 2, and the product."""
        scanner = Scanner(log_bias=(0.1, 0.2, 0.3, -0.4, 0.5))
        field = numpy.log(bias_field(5, 7, scanner))
        self.assertAlmostEqual(field[-1, -1], 0.1 + 0.2 + 0.3 - 0.4 + 0.5)
        self.assertAlmostEqual(field[0, -1], -0.1 + 0.2 + 0.3 - 0.4 - 0.5)
        self.assertAlmostEqual(field[2, 3], -0.15 + 0.2)
        self.assertAlmostEqual(field[2, -1], 0.2 - 0.15 - 0.4)
        self.assertEqual(bias_field(1, 1, scanner).shape, (1, 1))
        flat = numpy.full((5, 7, 3), 60, numpy.uint8)
        wanted = numpy.rint(60 * numpy.exp(field))
        numpy.testing.assert_array_equal(through(flat, log_bias=scanner.log_bias)[:, :, 1], wanted)

    def test_point_spread(self):
        """A point becomes a product of two Gaussians; an edge column sees its mirror image."""
        image = numpy.zeros((31, 31, 3), numpy.uint8)
        image[15, 15] = 255
        found = through(image, blur_px=0.9)[:, :, 0]
        taps = numpy.exp(-(numpy.arange(-8, 9) ** 2) / (2 * 0.9**2))
        taps /= taps.sum()
        numpy.testing.assert_allclose(found[7:24, 7:24], 255 * numpy.outer(taps, taps), atol=0.6)
        image = numpy.zeros((9, 31, 3), numpy.uint8)
        image[:, 0] = 200
        self.assertAlmostEqual(through(image, blur_px=0.9)[4, 0, 0], 200 * (taps[8] + taps[9]), delta=0.6)

    def test_noise(self):
        image = numpy.full((200, 200, 3), 128, numpy.uint8)
        apart = through(image, noise=0.05).astype(float) - 128
        self.assertAlmostEqual(apart.std(), 0.05 * 255, delta=0.2)
        self.assertAlmostEqual(apart.mean(), 0, delta=0.15)
        again = through(image, noise=0.05).astype(float) - 128
        numpy.testing.assert_array_equal(apart, again)
        # The same noise at every strength, only longer.
        half = through(image, noise=0.025).astype(float) - 128
        self.assertGreater(numpy.corrcoef(apart.ravel(), half.ravel())[0, 1], 0.99)

    def test_amounts_of_stain(self):
        """An image of haematoxylin alone, at density d, gets density e^a d of it."""
        vector = numpy.array(HAEMATOXYLIN) / numpy.linalg.norm(HAEMATOXYLIN)
        light = numpy.exp(-0.8 * vector)[None, None]
        found = restained(light, Scanner(log_stain=(0.3, -0.2)))
        numpy.testing.assert_allclose(found[0, 0], numpy.exp(-0.8 * math.exp(0.3) * vector))
        eosin = numpy.array(EOSIN) / numpy.linalg.norm(EOSIN)
        light = numpy.exp(-0.5 * eosin)[None, None]
        found = restained(light, Scanner(log_stain=(0.3, -0.2)))
        numpy.testing.assert_allclose(found[0, 0], numpy.exp(-0.5 * math.exp(-0.2) * eosin))

    def test_vectors_of_stains(self):
        """Haematoxylin turned: the same amount of another colour, of length 1."""
        turn = (0.1, -0.05, 0.02, 0, 0, 0)
        before = numpy.array(HAEMATOXYLIN) / numpy.linalg.norm(HAEMATOXYLIN)
        after = numpy.array(HAEMATOXYLIN) + turn[:3]
        after /= numpy.linalg.norm(after)
        found = restained(numpy.exp(-0.7 * before)[None, None], Scanner(stain_turn=turn))
        numpy.testing.assert_allclose(found[0, 0], numpy.exp(-0.7 * after))

    def test_white_stays_white(self):
        white = numpy.full((4, 4, 3), 255, numpy.uint8)
        turned = through(white, stain=True, log_stain=(0.4, 0.4), stain_turn=(0.1,) * 6)
        numpy.testing.assert_array_equal(turned, white)


class Profiles(unittest.TestCase):
    def test_every_site_has_a_part_of_the_range_of_its_own(self):
        for sites in (1, 4, 8):
            found = places(7, sites, 20)
            self.assertEqual(found.shape, (sites, 20))
            for column in found.T:
                parts = sorted(numpy.floor((column + 1) / 2 * sites).astype(int))
                self.assertEqual(parts, list(range(sites)))

    def test_parameters_grow_linearly(self):
        whole = scanners(5, 4, stain=True)[2]
        half = whole.at(0.5)
        for name, value in vars(whole).items():
            numpy.testing.assert_allclose(vars(half)[name], numpy.multiply(value, 0.5))
        self.assertEqual(whole.at(0), Scanner())

    def test_ranges(self):
        for seed in range(20):
            for one in scanners(seed, 4):
                self.assertLessEqual(abs(one.log_gain), LOG_GAIN)
                self.assertTrue(0 <= one.blur_px <= BLUR_PX and 0 <= one.noise <= NOISE)
                self.assertAlmostEqual(sum(one.log_cast), 0)
                self.assertEqual((one.log_stain, one.stain_turn), ((0.0, 0.0), (0.0,) * 6))

    def test_the_last_is_the_least_like_the_others(self):
        drawn = numpy.full((4, 20), 0.1)
        drawn[1] = 0.9
        self.assertEqual(int(numpy.argmax(unlikeness(drawn, stain=False))), 1)
        for seed in range(5):
            found = scanners(seed, 4)
            gains = [one.log_gain for one in found]
            drawn = places(seed, 4, 20)
            last = int(numpy.argmax(unlikeness(drawn, stain=False)))
            self.assertAlmostEqual(gains[-1], LOG_GAIN * drawn[last, 0])

    def test_what_is_not_used_does_not_order(self):
        drawn = numpy.zeros((3, 20))
        drawn[0, -8:] = 1.0  # stain
        drawn[2, 0] = 0.5
        self.assertEqual(int(numpy.argmax(unlikeness(drawn, stain=False))), 2)
        self.assertEqual(int(numpy.argmax(unlikeness(drawn, stain=True))), 0)

    def test_seeds_differ(self):
        self.assertNotEqual(scanners(0, 4), scanners(1, 4))
        self.assertEqual(scanners(0, 4), scanners(0, 4))


class Folders(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="harmofl-test-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.source = self.folder / "in"
        for site in SITES:
            (self.source / site).mkdir(parents=True)
            images = sorted(path for path in (FIXTURE / site).glob("*.png") if "_mask" not in path.stem)[:3]
            for path in images:
                for name in (path.name, f"{path.stem}_mask.png"):
                    (self.source / site / name).write_bytes((FIXTURE / site / name).read_bytes())

    def files(self, folder):
        return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.png")}

    def test_strength_0_leaves_every_byte(self):
        counts = scan_folders(self.source, self.folder / "out", 0.0, seed=1)
        self.assertEqual(counts, dict.fromkeys(SITES, 3))
        self.assertEqual(self.files(self.folder / "out"), self.files(self.source))

    def test_masks_stay_and_images_do_not(self):
        scan_folders(self.source, self.folder / "out", 1.0, seed=1)
        before, after = self.files(self.source), self.files(self.folder / "out")
        self.assertEqual(before.keys(), after.keys())
        for name, content in before.items():
            self.assertEqual(after[name] == content, name.endswith("_mask.png"), name)

    def test_the_same_call_gives_the_same_bytes(self):
        for name in ("one", "two"):
            scan_folders(self.source, self.folder / name, 0.5, seed=2)
        self.assertEqual(self.files(self.folder / "one"), self.files(self.folder / "two"))
        facts = [(self.folder / name / "scanner.json").read_text() for name in ("one", "two")]
        self.assertEqual(*facts)
        self.assertEqual(json.loads(facts[0])["strength"], 0.5)

    def test_an_image_does_not_depend_on_others(self):
        scan_folders(self.source, self.folder / "all", 0.5, seed=2)
        for path in sorted((self.source / SITES[0]).iterdir())[:2]:
            path.unlink()
        scan_folders(self.source, self.folder / "few", 0.5, seed=2)
        every = self.files(self.folder / "all")
        for name, content in self.files(self.folder / "few").items():
            self.assertEqual(content, every[name])

    def test_images_have_noise_of_their_own(self):
        for site in SITES[:2]:
            for name in ("a", "b"):
                Image.fromarray(picture()).save(self.source / site / f"{name}.png")
        scan_folders(self.source, self.folder / "out", 1.0, seed=2)
        a, b = (
            numpy.asarray(Image.open(self.folder / "out" / SITES[0] / f"{name}.png")).astype(float)
            for name in ("a", "b")
        )
        self.assertLess(numpy.abs(a - b).max(), 80, "they are one picture")
        self.assertGreater(numpy.abs(a - b).mean(), 0.5)

    def spectrum(self, folder, site):
        """Mean amplitude by frequency, of the mean of the colours."""
        images = [path for path in sorted((folder / site).glob("*.png")) if "_mask" not in path.stem]
        found = []
        for path in images:
            pixels = numpy.asarray(Image.open(path).convert("RGB")).mean(axis=2)[:256, :256] / 255
            found.append(numpy.abs(numpy.fft.rfft2(pixels)).mean(axis=0))
        return numpy.mean(found, axis=0)

    def test_the_shift_grows_with_the_strength(self):
        """From each site's own images at strength 0: the mean distance over sites."""
        last = 0.0
        for strength in (0.25, 0.5, 0.75, 1.0):
            output = self.folder / f"s{strength}"
            scan_folders(self.source, output, strength, seed=4)
            found = numpy.mean(
                [log_distance(self.spectrum(output, s), self.spectrum(self.source, s)[None]) for s in SITES]
            )
            self.assertGreater(found, last)
            last = found

    def test_what_cannot_be_scanned_is_said(self):
        (self.source / SITES[0] / "x.tif").write_bytes(b"II")
        with self.assertRaisesRegex(ScannerError, r"x\.tif: is not named \.png"):
            scan_folders(self.source, self.folder / "out", 0.5, seed=0)
        (self.source / SITES[0] / "x.tif").rename(self.source / SITES[0] / "x.png")
        with self.assertRaisesRegex(ScannerError, r"x\.png: cannot be read as PNG"):
            scan_folders(self.source, self.folder / "out", 0.5, seed=0)
        self.assertEqual([path.name for path in self.folder.iterdir()], ["in"], "nothing half made stays")
        for strength in (-0.1, 1.5, math.nan):
            with self.assertRaisesRegex(ScannerError, "not a number from 0 to 1"):
                scan_folders(self.source, self.folder / "out", strength, seed=0)
        Image.fromarray(picture()).convert("P").save(self.source / SITES[0] / "x.png")
        with self.assertRaisesRegex(ScannerError, "is of mode P"):
            scan_folders(self.source, self.folder / "out", 0.5, seed=0)
        (self.source / "empty").mkdir()
        with self.assertRaisesRegex(ScannerError, "has no images"):
            scan_folders(self.source, self.folder / "out", 0.0, seed=0)

    def test_command(self):
        words = [
            sys.executable,
            ROOT / "tools/scanner.py",
            self.source,
            self.folder / "out",
            "--strength",
            "1",
        ]
        found = subprocess.run([*words, "--stain"], capture_output=True, text=True, check=False)
        self.assertEqual((found.returncode, found.stderr), (0, ""))
        self.assertIn("he_white  3 images", found.stdout)
        again = subprocess.run(words, capture_output=True, text=True, check=False)
        self.assertEqual(again.returncode, 1)
        self.assertIn("is there already", again.stderr)
        self.assertEqual(len(again.stderr.splitlines()), 1)


if __name__ == "__main__":
    unittest.main()
