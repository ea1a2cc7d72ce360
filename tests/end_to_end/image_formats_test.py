#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""harmofl-prepare on images and masks that other programs wrote (Pillow, tifffile): the pixels of the
shards are those that these programs read back."""

import unittest

import support
from support import run

try:
    import numpy
    import tifffile
    from PIL import Image
except ImportError:
    Image = None

HEIGHT, WIDTH = 37, 53


def in_8_bits(values):
    """16-bit samples to the nearest of 8 bits: value / 257."""
    return numpy.floor(values.astype(float) / 257 + 0.5).astype(numpy.uint8)


def as_rgb(values):
    return values if values.ndim == 3 else numpy.stack([values] * 3, axis=-1)


def seen_by_pillow(path):
    return numpy.asarray(Image.open(path).convert("RGB"))


def read_shard(path):
    """Image and mask of every id, [H, W, C] and [H, W]."""
    found = {}
    with support.h5(path) as shard:
        for split in ("train", "val", "test"):
            group = shard[split]
            masks = group["masks"][()] if "masks" in group else [None] * len(group["ids"])
            for name, image, mask in zip(group["ids"].asstr()[()], group["images"][()], masks):
                found[name] = (image.transpose(1, 2, 0), mask)
    return found


class FormatsTest:
    """A folder of images of one size, all of one site."""

    def setUp(self):
        super().setUp()
        if Image is None:
            raise unittest.SkipTest("numpy, Pillow or tifffile is missing in Python")
        self.site = self.folder / "images" / "site"
        self.site.mkdir(parents=True)
        self.draw = numpy.random.default_rng(5)

    def command(self, *arguments):
        words = ("images", "--input", self.folder / "images", "--output", self.folder / "out")
        return run((support.PREPARE, *words, *arguments))

    def prepare(self, *arguments):
        self.succeeds(self.command(*arguments))
        return read_shard(self.folder / "out" / "site.h5")

    def values(self, *shape, top=256, kind="uint8"):
        """Noise on a ramp, so that predictors and runs have something to do."""
        noise = self.draw.integers(0, top, (HEIGHT, WIDTH, *shape))
        noise[: HEIGHT // 2] = top * 2 // 3
        return noise.astype(kind)

    def mask(self):
        values = self.draw.integers(0, 2, (HEIGHT, WIDTH)).astype(numpy.uint8)
        values[5:20, 7:30] = 1
        return values


class Images(FormatsTest, support.ProgramTest):
    def add(self, name, save, expected=None):
        """An image that `save` writes; as Pillow reads it where nothing else is expected."""
        path = self.site / name
        save(path)
        mask = self.mask()
        Image.fromarray(mask * 255).save(self.site / f"{path.stem}_mask.png")
        self.expected[path.stem] = seen_by_pillow(path) if expected is None else as_rgb(expected)
        self.masks[path.stem] = mask

    def setUp(self):
        super().setUp()
        self.expected, self.masks = {}, {}

    def check(self, *arguments):
        found = self.prepare(*arguments)
        self.assertEqual(sorted(found), sorted(self.expected))
        for name, expected in self.expected.items():
            with self.subTest(image=name):
                numpy.testing.assert_array_equal(found[name][0], expected)
                numpy.testing.assert_array_equal(found[name][1], self.masks[name])

    def by_pillow(self, name, values, mode=None, expected=None, **options):
        image = Image.fromarray(values)
        if mode is not None:
            image = image.convert(mode)
        self.add(name, lambda path: image.save(path, **options), expected)

    def by_tifffile(self, name, values, expected=None, **options):
        expected = values if expected is None else expected
        self.add(name, lambda path: tifffile.imwrite(path, values, **options), expected)

    def test_png_jpeg_and_bmp_of_pillow(self):
        grey, colour, deep = self.values(), self.values(3), self.values(top=65536, kind="uint16")
        opacity = self.values(4)
        over_black = numpy.floor(opacity[..., :3] / 255 * opacity[..., 3:] + 0.5).astype(numpy.uint8)
        self.by_pillow("g.png", grey, expected=grey)
        self.by_pillow("c.PNG", colour, expected=colour)
        self.by_pillow("o.png", opacity, expected=over_black)
        self.by_pillow("deep.png", deep, expected=in_8_bits(deep))
        self.by_pillow("p.png", colour, "P")
        self.by_pillow("bit.png", grey, "1")
        self.by_pillow("jg.jpg", grey, quality=90)
        self.by_pillow("j444.JPG", colour, quality=95, subsampling=0)
        self.by_pillow("j422.jpeg", colour, quality=80, subsampling=1)
        self.by_pillow("j420.jpe", colour, quality=60, subsampling=2)
        self.by_pillow("jp.jpg", colour, quality=85, progressive=True)
        self.by_pillow("jo.jpg", colour, quality=85, optimize=True, restart_marker_rows=1)
        self.by_pillow("bg.bmp", grey, expected=grey)
        self.by_pillow("bc.BMP", colour, expected=colour)
        self.by_pillow("bp.bmp", colour, "P")
        self.by_pillow("bb.bmp", grey, "1")
        self.check()

    def test_tiff_of_pillow_through_libtiff(self):
        grey, colour, deep = self.values(), self.values(3), self.values(top=65536, kind="uint16")
        for kind in ("raw", "tiff_lzw", "packbits", "tiff_adobe_deflate"):
            self.by_pillow(f"g-{kind}.tif", grey, expected=grey, compression=kind)
            self.by_pillow(f"c-{kind}.TIFF", colour, expected=colour, compression=kind)
            self.by_pillow(f"d-{kind}.tiff", deep, expected=in_8_bits(deep), compression=kind)
            self.by_pillow(f"p-{kind}.tif", colour, "P", compression=kind)
        for kind in ("tiff_lzw", "tiff_adobe_deflate"):
            for name, values in (("gp", grey), ("cp", colour), ("dp", deep)):
                expected = in_8_bits(values) if values is deep else values
                self.by_pillow(
                    f"{name}-{kind}.tif", values, expected=expected, compression=kind, tiffinfo={317: 2}
                )
        self.by_pillow("fax.tif", grey, "1", compression="group4")
        self.by_pillow("bits.tif", grey, "1", compression="packbits")
        self.by_pillow("jpeg.tif", colour, compression="jpeg", quality=90)
        opacity = self.values(4)
        over_black = numpy.floor(opacity[..., :3] / 255 * opacity[..., 3:] + 0.5).astype(numpy.uint8)
        self.by_pillow("o.tif", opacity, expected=over_black, compression="tiff_lzw")
        self.check()

    def test_tiff_of_tifffile(self):
        grey, colour, deep = self.values(), self.values(3), self.values(3, top=65536, kind="uint16")
        for order in "<>":
            name = "little" if order == "<" else "big"
            self.by_tifffile(f"g{name}.tif", grey, byteorder=order)
            self.by_tifffile(
                f"d{name}.tif", deep, in_8_bits(deep), byteorder=order, photometric="rgb", compression="zlib"
            )
            self.by_tifffile(f"t{name}.tif", colour, byteorder=order, photometric="rgb", tile=(16, 32))
        self.by_tifffile("bigtiff.tif", colour, bigtiff=True, photometric="rgb")
        self.by_tifffile("rows.tif", colour, rowsperstrip=5, photometric="rgb", compression="zlib")
        self.by_tifffile("white.tif", grey, 255 - grey, photometric="miniswhite")
        planes = numpy.ascontiguousarray(colour.transpose(2, 0, 1))
        for name, tile in (("planes", None), ("tiled-planes", (16, 16))):
            self.by_tifffile(
                f"{name}.tif", planes, colour, photometric="rgb", planarconfig="separate", tile=tile
            )
        opaque = numpy.concatenate([colour, numpy.full((HEIGHT, WIDTH, 1), 255, numpy.uint8)], axis=-1)
        self.by_tifffile("extra.tif", opaque, colour, photometric="rgb", extrasamples=["unspecified"])
        self.by_tifffile("over.tif", opaque, colour, photometric="rgb", extrasamples=["assocalpha"])
        self.check()

    def test_grey_is_luminance(self):
        colour = self.values(3)
        self.by_pillow("c.tif", colour, expected=colour, compression="tiff_lzw")
        found = self.prepare("--grey")["c"][0]
        weights = numpy.array([299, 587, 114])
        numpy.testing.assert_array_equal(found[..., 0], (colour.astype(int) @ weights + 500) // 1000)


class Masks(FormatsTest, support.ProgramTest):
    def add(self, name, save, expected):
        save(self.site / f"{name.split('.')[0]}_mask.{name.split('.')[1]}")
        Image.fromarray(self.values(3)).save(self.site / f"{name.split('.')[0]}.png")
        self.expected[name.split(".")[0]] = expected

    def setUp(self):
        super().setUp()
        self.expected = {}

    def check(self, *arguments):
        found = self.prepare(*arguments)
        self.assertEqual(sorted(found), sorted(self.expected))
        for name, expected in self.expected.items():
            with self.subTest(mask=name):
                numpy.testing.assert_array_equal(found[name][1], expected)

    def test_two_values_of_any_format(self):
        mask = self.mask()
        white = Image.fromarray(mask * 255)
        deep = Image.fromarray(mask.astype(numpy.uint16) * 65535)
        numbers = Image.fromarray(mask)
        for name, image, options in (
            ("l.png", white, {}),
            ("one.png", numbers, {}),
            ("bit.png", white.convert("1"), {}),
            ("bmp.bmp", white, {}),
            ("bitmap.bmp", white.convert("1"), {}),
            ("lzw.tif", white, {"compression": "tiff_lzw"}),
            ("fax.tif", white.convert("1"), {"compression": "group4"}),
            ("deep.tif", deep, {"compression": "packbits"}),
            ("deeper.png", deep, {}),
            ("rgb.png", white.convert("RGB"), {}),
            ("opaque.png", white.convert("RGBA"), {}),
        ):
            self.add(name, lambda path, i=image, o=options: i.save(path, **o), mask)
        self.check()

    def classes(self):
        return self.draw.integers(0, 3, (HEIGHT, WIDTH)).astype(numpy.uint8)

    def test_a_table_of_values(self):
        classes = self.classes()
        values = numpy.array([0, 255, 128], numpy.uint8)[classes]
        self.add("g.png", Image.fromarray(values).save, classes)
        self.add("t.tif", lambda path: Image.fromarray(values).save(path, compression="tiff_lzw"), classes)
        self.check("--mask-values", "255=1,128=2", "--class-names", "stroma,nucleus,border")
        with support.h5(self.folder / "out" / "site.h5") as shard:
            self.assertEqual(list(shard.attrs["class_names"]), ["stroma", "nucleus", "border"])
        self.fails(self.command("--overwrite", "--mask-values", "255=1"), 1, "does not name 128")

    def test_a_coloured_palette_gives_its_indices(self):
        classes = self.classes()
        image = Image.new("P", (WIDTH, HEIGHT))
        image.putpalette([0, 0, 0, 200, 0, 0, 0, 200, 0])
        image.putdata(classes.ravel().tolist())
        self.add("p.png", image.save, classes)
        self.add("q.bmp", image.save, classes)
        self.add("r.tif", lambda path: image.save(path, compression="packbits"), classes)
        self.check("--mask-values", "1=1,2=2")

    def test_a_threshold_of_16_bits(self):
        values = self.values(top=65536, kind="uint16")
        self.add("d.png", Image.fromarray(values).save, values >= 40000)
        self.check("--mask-threshold", 40000)

    def test_classes_are_resampled_by_their_area(self):
        classes = self.classes()
        self.add("g.png", Image.fromarray(classes).save, None)
        found = self.prepare("--mask-values", "1=1,2=2", "--size", "9x11")["g"][1]
        # in units of 1/9 row and 1/11 column, where every old pixel is 9 x 11 units
        fine = classes.repeat(9, axis=0).repeat(11, axis=1)
        cells = fine.reshape(9, HEIGHT, 11, WIDTH).transpose(0, 2, 1, 3).reshape(9, 11, -1)
        areas = numpy.stack([(cells == number).sum(axis=-1) for number in range(3)], axis=-1)
        largest = 2 - areas[..., ::-1].argmax(axis=-1)  # of equals the largest number
        numpy.testing.assert_array_equal(found, largest)


class Refusals(FormatsTest, support.ProgramTest):
    """One line that names the file and the reason."""

    def add(self, name, image, **options):
        path = self.site / name
        image.save(path, **options)
        Image.fromarray(self.mask() * 255).save(self.site / f"{path.stem}_mask.png")
        return path

    def refuses(self, path, *texts):
        self.fails(self.command(), 1, path.name, *texts)
        for file in self.site.iterdir():
            file.unlink()

    def test_kinds_that_are_not_read(self):
        colour = Image.fromarray(self.values(3))
        self.refuses(self.add("a.gif", colour), "images of this format are not read")
        self.refuses(self.add("a.webp", colour), "images of this format are not read")
        self.refuses(self.add("a.jpg", colour.convert("CMYK")), "CMYK")
        self.refuses(self.add("a.tif", colour.convert("CMYK")), "colours of kind 5")
        self.refuses(self.add("a.tif", colour.convert("F")), "samples of 32 bits")
        self.refuses(self.add("a.tif", colour, save_all=True, append_images=[colour]), "more than one page")
        self.refuses(self.add("a.png", colour, format="JPEG"), "has the name of a PNG file, but holds JPEG")
        odd = self.values(4)
        path = self.site / "a.tif"
        tifffile.imwrite(path, odd, photometric="rgb", extrasamples=["unspecified"])
        Image.fromarray(self.mask() * 255).save(self.site / "a_mask.png")
        self.refuses(path, "an extra channel")

    def test_two_images_of_one_id(self):
        colour = Image.fromarray(self.values(3))
        self.add("a.jpg", colour)
        self.refuses(self.add("a.png", colour), "a.jpg but for its ending")

    def test_masks_that_do_not_say_what_they_are(self):
        opacity = numpy.full((HEIGHT, WIDTH, 4), 255, numpy.uint8)
        opacity[3, 4, 3] = 0
        jpeg = Image.fromarray(self.mask() * 255)
        for name, mask, text in (
            ("a_mask.png", Image.fromarray(opacity), "opacity 0 of 255"),
            ("a_mask.jpg", jpeg, "holds 0, 1"),
            ("a_mask.png", Image.fromarray(self.values(3)), "this one has colours"),
        ):
            with self.subTest(mask=text):
                self.add("a.png", Image.fromarray(self.values(3)))
                (self.site / "a_mask.png").unlink()
                mask.save(self.site / name)
                self.refuses(self.site / name, text)

    def test_damage_that_a_library_would_paint_over(self):
        path = self.add("a.tif", Image.fromarray(self.values()), compression="packbits")
        with tifffile.TiffFile(path) as file:
            place = file.pages[0].dataoffsets[0]
        content = bytearray(path.read_bytes())
        content[place] = 0x81  # a run of 128 pixels in a row of 53
        path.write_bytes(content)
        self.refuses(path, "cannot be read as TIFF", "Discarding")
        path = self.add("b.jpg", Image.fromarray(self.values(3)))
        content = bytearray(path.read_bytes())
        content[-200:-190] = b"\xff\xd0" * 5  # marks of restarts that are not expected
        path.write_bytes(content)
        self.refuses(path, "cannot be read as JPEG")

    def test_claims_of_many_pixels(self):
        path = self.add("a.jpg", Image.fromarray(self.values(3)))
        content = path.read_bytes()
        frame = content.index(b"\xff\xc0") + 5
        for side, text in ((32768, "has 32768x32768 pixels; expected at most"), (65500, "1 to 32768 rows")):
            path.write_bytes(content[:frame] + side.to_bytes(2, "big") * 2 + content[frame + 4 :])
            result = self.command("--size", "16x16")
            self.fails(result, 1, path.name, text)
            self.assertLess(result.peak_mib, 256)

    def test_files_that_are_cut_off(self):
        colour = Image.fromarray(self.values(3))
        for name, options in (
            ("a.png", {}),
            ("a.jpg", {}),
            ("b.jpg", {"progressive": True}),
            ("a.bmp", {}),
            ("a.tif", {"compression": "tiff_lzw", "tiffinfo": {317: 2}}),
            ("b.tif", {"compression": "packbits"}),
            ("c.tif", {"compression": "tiff_adobe_deflate"}),
            ("d.tif", {"compression": "jpeg"}),
        ):
            for part in (0.3, 0.6, 0.9):
                with self.subTest(file=name, part=part):
                    path = self.add(name, colour, **options)
                    content = path.read_bytes()
                    path.write_bytes(content[: int(part * len(content))])
                    self.refuses(path)


if __name__ == "__main__":
    support.main()
