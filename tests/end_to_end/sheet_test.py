#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""harmofl inspect --sheet: the picture, decoded and drawn again here from the shards by numpy."""

import re
import struct
import unittest
import zlib

import support
from support import harmofl

numpy = support.numpy

TILE, GAP, LINE, SWATCH, EXAMPLES = 128, 8, 14, 48, 6
YELLOW = (255, 255, 0)


def decode(path):
    """The pixels of an unfiltered PNG of 8-bit colours, [height, width, 3]; checks every CRC."""
    data = path.read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    at, content = 8, {}
    while at < len(data):
        (size,) = struct.unpack(">I", data[at : at + 4])
        kind, body = data[at + 4 : at + 8], data[at + 8 : at + 8 + size]
        assert zlib.crc32(kind + body) == struct.unpack(">I", data[at + 8 + size : at + 12 + size])[0]
        content[kind] = body
        at += 12 + size
    width, height, depth, colours = struct.unpack(">IIBB", content[b"IHDR"][:10])
    assert (depth, colours) == (8, 2)
    lines = numpy.frombuffer(zlib.decompress(content[b"IDAT"]), numpy.uint8).reshape(height, 1 + 3 * width)
    assert not lines[:, 0].any()
    return lines[:, 1:].reshape(height, width, 3)


@unittest.skipIf(numpy is None, "h5py and numpy are not installed (tools/install-deps.sh does)")
class Sheet(support.ProgramTest):
    def sheet(self, source, ranks=None):
        picture = self.folder / "sheet.png"
        result = self.succeeds(harmofl("inspect", source, "--sheet", picture, ranks=ranks))
        return decode(picture), result.stdout

    def read(self, shards):
        sites = []
        for path in sorted(shards.glob("*.h5")):
            with support.h5(path) as file:
                train = file["train"]
                masks = train["masks"][()] if "masks" in train else None
                sites.append((file.attrs["site"], train["images"][()], masks))
        return sites

    def boxes(self, pixels, row):
        """Examples, swatch, histogram and spectrum of a row."""
        top, left = GAP + row * (LINE + TILE + GAP) + LINE, GAP
        boxes = []
        for width in [TILE] * EXAMPLES + [SWATCH, TILE, TILE]:
            boxes.append(pixels[top : top + TILE, left : left + width].astype(int))
            left += width + GAP
        self.assertEqual(left, pixels.shape[1])
        return boxes

    def test_shows_images_outlines_colours_histograms_and_spectra(self):
        sites = self.read(support.federation())
        pixels, text = self.sheet(support.federation())
        spectra = [
            numpy.fft.fftshift(numpy.log1p(numpy.abs(numpy.fft.fft2(images / 255.0)).mean((0, 1))))
            for _, images, _ in sites
        ]
        least, most = min(s.min() for s in spectra), max(s.max() for s in spectra)
        for row, (site, images, masks) in enumerate(sites):
            boxes = self.boxes(pixels, row)
            for box, index in zip(boxes, (0, 1, 2, 4, 5, 6)):  # 6 of 8, evenly
                image = images[index].transpose(1, 2, 0).repeat(4, 0).repeat(4, 1)
                mask = masks[index].repeat(4, 0).repeat(4, 1)
                edge = numpy.zeros(mask.shape, bool)
                edge[:-1] |= mask[:-1] != mask[1:]
                edge[:, :-1] |= mask[:, :-1] != mask[:, 1:]
                self.assertTrue(edge.any())
                self.assertTrue((box[edge] == YELLOW).all())
                self.assertTrue((box[~edge] == image[~edge]).all())
            mean = images.mean((0, 2, 3), dtype=float)
            self.assertLessEqual(numpy.abs(boxes[EXAMPLES] - mean).max(), 0.5 + 1e-9)
            self.assert_histogram(boxes[EXAMPLES + 1], images)
            grey = 255 * (spectra[row] - least) / (most - least)
            expected = grey.repeat(4, 0).repeat(4, 1)[..., None]
            self.assertLessEqual(numpy.abs(boxes[EXAMPLES + 2] - expected).max(), 0.51)
            numbers = re.search(rf"row {row + 1}: {site}, 8 of 8 images, mean (\S+) (\S+) (\S+) ", text)
            for found, wanted in zip(numbers.groups(), mean / 255):
                self.assertAlmostEqual(float(found), wanted, 4)

    def assert_histogram(self, box, images):
        counts = [numpy.histogram(images[:, c] / numpy.float32(255), 128, (0, 1))[0] for c in range(3)]
        most = max(count.max() for count in counts)
        # The channel that is drawn last is never covered.
        for column, count in enumerate(counts[2]):
            place = TILE - 1 - int(numpy.floor(count / most * (TILE - 1) + 0.5))
            self.assertEqual(tuple(box[place, column]), (110, 140, 255), column)

    def test_is_the_same_every_time_and_on_any_number_of_ranks(self):
        source = support.federation("classification")
        first, text = self.sheet(source)
        again, other = self.sheet(source, ranks=2)
        self.assertTrue((first == again).all())
        self.assertEqual(text, other)

    def test_shows_one_shard_too(self):
        shard = sorted(support.federation().glob("*.h5"))[1]
        pixels, text = self.sheet(shard)
        self.assertEqual(pixels.shape[0], GAP + LINE + TILE + GAP)
        self.assertIn("row 1: site_1, 8 of 8 images", text)

    def test_refuses_what_is_no_picture_and_keeps_the_shards(self):
        shard = sorted(support.federation().glob("*.h5"))[0]
        before = shard.read_bytes()
        self.fails(harmofl("inspect", shard, "--sheet", shard), 2, "is not the name of a .png file")
        self.fails(harmofl("inspect", self.folder, "--sheet", self.folder / "a.png"), 1, "no shard")
        self.fails(harmofl("inspect", shard, "--sheet", self.folder / "no/a.png"), 1, "a.png")
        self.assertEqual(shard.read_bytes(), before)


if __name__ == "__main__":
    support.main()
