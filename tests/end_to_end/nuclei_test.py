#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""harmofl-prepare on sets of nuclei laid out as their makers do: images by Pillow, outlines as ImageScope
writes them, masks against matplotlib's even-odd rule at the centres of pixels."""

import unittest

import support
from support import run

try:
    import numpy
    from matplotlib.path import Path
    from PIL import Image
except ImportError:
    Image = None

SIDE = 96
ORGANS = support.SOURCE / "datasets/monuseg-organs.csv"


def xml_of(annotations):
    """ImageScope's XML of [(name or None, [polygon of (x, y)])]."""
    text = '<?xml version="1.0"?>\n<Annotations MicronsPerPixel="0.252000">'
    for number, (name, polygons) in enumerate(annotations, 1):
        text += f'<Annotation Id="{number}" Name="" ReadOnly="0" Type="4" Visible="1"><Attributes>'
        text += f'<Attribute Name="{name}" Id="0" Value=""/>' if name else ""
        text += '</Attributes><Regions><RegionAttributeHeaders><AttributeHeader Id="9999" Name="Region"/>'
        text += "</RegionAttributeHeaders>"
        for region, polygon in enumerate(polygons, 1):
            text += f'<Region Id="{region}" Type="0" Zoom="0.5" NegativeROA="0" Analyze="1"><Attributes/>'
            text += "<Vertices>"
            text += "".join(f'<Vertex X="{x}" Y="{y}" Z="0"/>' for x, y in polygon)
            text += "</Vertices></Region>"
        text += "</Regions><Plots/></Annotation>"
    return text + "</Annotations>\n"


def centres():
    y, x = numpy.mgrid[:SIDE, :SIDE] + 0.5
    return numpy.stack([x.ravel(), y.ravel()], axis=-1)


def filled(polygon):
    """Even-odd by matplotlib, in float64, of a polygon none of whose edges meets a centre."""
    if len(polygon) < 3:
        return numpy.zeros((SIDE, SIDE), bool)
    closed = [*polygon, polygon[0]]
    return Path(closed, closed=True).contains_points(centres(), radius=0.0).reshape(SIDE, SIDE)


def mask_of(annotations, classes):
    mask = numpy.zeros((SIDE, SIDE), numpy.uint8)
    for name, polygons in annotations:
        number = classes if isinstance(classes, int) else classes[name]
        for polygon in polygons:
            if number:
                mask[filled(polygon)] = number
    return mask


class NucleiTest:
    def setUp(self):
        super().setUp()
        if Image is None:
            raise unittest.SkipTest("numpy, matplotlib or Pillow is missing in Python")
        self.input = self.folder / "set"
        self.draw = numpy.random.default_rng(11)

    def polygon(self):
        """Round a nucleus, also over the border; corners in 1/1000 of a pixel, as ImageScope has."""
        corners = int(self.draw.integers(5, 14))
        angles = numpy.sort(self.draw.uniform(0, 2 * numpy.pi, corners))
        radii = self.draw.uniform(4, 14, corners)
        centre = self.draw.uniform(0, SIDE, 2)
        x, y = centre[0] + radii * numpy.cos(angles), centre[1] + radii * numpy.sin(angles)
        # in 1/1024 of a pixel, odd ones, so that no corner lies at the height of a centre
        return [((2 * int(a * 512) + 1) / 1024, (2 * int(b * 512) + 1) / 1024) for a, b in zip(x, y)]

    def annotations(self, *names):
        return [(name, [self.polygon() for _ in range(12)]) for name in names or (None,)]

    def image(self, name, **options):
        path = self.input / name
        path.parent.mkdir(parents=True, exist_ok=True)
        values = self.draw.integers(0, 256, (SIDE, SIDE, 3)).astype(numpy.uint8)
        Image.fromarray(values).save(path, **options)
        return values

    def outlines(self, name, annotations):
        path = self.input / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(xml_of(annotations), encoding="utf-8")

    def command(self, layout, *arguments):
        words = ("images", "--layout", layout, "--input", self.input, "--output", self.folder / "out")
        return run((support.PREPARE, *words, *arguments))

    def prepare(self, layout, *arguments):
        """{site: {id: (image, mask, patient, split)}}"""
        self.succeeds(self.command(layout, *arguments))
        sites = {}
        for path in sorted((self.folder / "out").glob("*.h5")):
            found = sites[path.stem] = {}
            with support.h5(path) as shard:
                for split in ("train", "val", "test"):
                    group = shard[split]
                    ids = group["ids"].asstr()[()]
                    groups = group["groups"].asstr()[()] if "groups" in group else [""] * len(ids)
                    images, masks = group["images"][()], group["masks"][()]
                    for name, image, mask, patient in zip(ids, images, masks, groups):
                        found[name] = (image.transpose(1, 2, 0), mask, patient, split)
        return sites


class MoNuSeg(NucleiTest, support.ProgramTest):
    NAMES = ("TCGA-A7-A13E-01Z-00-DX1", "TCGA-A7-A13E-01Z-00-DX2", "TCGA-18-5592-01Z-00-DX1")

    def setUp(self):
        super().setUp()
        self.images, self.marks = {}, {}
        for name, kind in zip(self.NAMES, ("tiff_lzw", "packbits", "tiff_lzw")):
            info = {"tiffinfo": {317: 2}} if kind == "tiff_lzw" else {}
            self.images[name] = self.image(f"Tissue Images/{name}.tif", compression=kind, **info)
            self.marks[name] = self.annotations()
            self.outlines(f"Annotations/{name}.xml", self.marks[name])

    def test_outlines_are_filled_by_the_even_odd_rule_at_centres(self):
        found = self.prepare("monuseg")["monuseg"]
        self.assertEqual(sorted(found), sorted(self.NAMES))
        for name, (image, mask, patient, _) in found.items():
            numpy.testing.assert_array_equal(image, self.images[name])
            numpy.testing.assert_array_equal(mask, mask_of(self.marks[name], 1))
            self.assertGreater(mask.mean(), 0.1)
            self.assertEqual(patient, name[:12])
        self.assertEqual(found[self.NAMES[0]][3], found[self.NAMES[1]][3], "a patient in two splits")

    def test_outlines_that_cross_themselves(self):
        star = [(48 + 40 * numpy.sin(4 * numpy.pi * i / 5), 50 - 40 * numpy.cos(4 * numpy.pi * i / 5))
                for i in range(5)]  # fmt: skip
        star = [((2 * int(x * 512) + 1) / 1024, (2 * int(y * 512) + 1) / 1024) for x, y in star]
        self.outlines(f"Annotations/{self.NAMES[0]}.xml", [(None, [star])])
        mask = self.prepare("monuseg")["monuseg"][self.NAMES[0]][1]
        numpy.testing.assert_array_equal(mask, filled(star))
        self.assertEqual(mask[50, 48], 0)  # the middle is crossed twice

    def test_sites_are_organs(self):
        sites = self.prepare("monuseg", "--sites-from", ORGANS) if self.rename() else None
        self.assertEqual({site: sorted(found) for site, found in sites.items()},
                         {"breast": [self.NAMES[0]], "kidney": ["TCGA-B0-5711-01Z-00-DX1"],
                          "liver": [self.NAMES[2]]})  # fmt: skip

    def rename(self):
        for folder, ending in (("Tissue Images", "tif"), ("Annotations", "xml")):
            old = self.input / folder / f"{self.NAMES[1]}.{ending}"
            old.rename(old.with_name(f"TCGA-B0-5711-01Z-00-DX1.{ending}"))
        return True

    def test_tiles_of_a_large_image(self):
        found = self.prepare("monuseg", "--patch", "40x40")["monuseg"]
        self.assertEqual(len(found), 27)
        name = self.NAMES[2]
        expected = mask_of(self.marks[name], 1)
        numpy.testing.assert_array_equal(found[f"{name}_y2x1"][1], expected[56:, 40:80])

    def test_instances_are_kept_as_their_numbers(self):
        self.prepare("monuseg", "--instances")
        for name in self.NAMES:
            expected = numpy.zeros((SIDE, SIDE), numpy.uint16)
            for number, polygon in enumerate(self.marks[name][0][1], 1):
                expected[filled(polygon)] = number
            found = Image.open(self.folder / "out" / "monuseg_instances" / f"{name}.png")
            self.assertEqual(found.mode, "I;16")
            numpy.testing.assert_array_equal(numpy.asarray(found), expected)
        self.succeeds(self.command("monuseg", "--instances", "--patch", "40x40", "--overwrite"))
        tile = Image.open(self.folder / "out" / "monuseg_instances" / f"{name}_y2x1.png")
        numpy.testing.assert_array_equal(numpy.asarray(tile), expected[56:, 40:80])

    def test_regions_without_vertices_are_counted_and_said(self):
        self.outlines(f"Annotations/{self.NAMES[0]}.xml", [(None, [[], [(1, 1), (5, 5)], self.polygon()])])
        result = self.command("monuseg")
        self.succeeds(result)
        self.assertIn("2 of 3 outlines cover no pixel", result.stderr)

    def test_hostile_outlines(self):
        name = f"Annotations/{self.NAMES[0]}.xml"
        good = xml_of(self.marks[self.NAMES[0]])
        for attack, text in (
            ("cut off", good[: len(good) // 2]),
            ("entities", good.replace("<Annotations", '<!DOCTYPE a [<!ENTITY e "1">]>\n<Annotations')),
            ("NaN", good.replace('X="', 'X="nan', 1)),
            ("not XML", "hello"),
            ("empty", ""),
            ("UTF-16", None),
        ):
            with self.subTest(attack=attack):
                path = self.input / name
                if text is None:
                    path.write_bytes(good.encode("utf-16")[:-3])
                else:
                    path.write_text(text, encoding="utf-8")
                self.fails(self.command("monuseg"), 1, path.name)
        self.assertFalse((self.folder / "out" / "monuseg.h5").exists())


class MoNuSAC(NucleiTest, support.ProgramTest):
    CLASSES = {"Epithelial": 1, "Lymphocyte": 2, "Macrophage": 3, "Neutrophil": 4, "Ambiguous": 0}

    def setUp(self):
        super().setUp()
        self.marks = {}
        for patient in ("TCGA-5P-A9K0-01Z-00-DX1", "TCGA-55-1594-01Z-00-DX1"):
            for number in (1, 2):
                name = f"{patient}_{number}"
                self.image(f"{patient}/{name}.tif", compression="packbits")
                self.marks[name] = self.annotations(*self.CLASSES)
                self.outlines(f"{patient}/{name}.xml", self.marks[name])

    def test_folders_are_patients_and_nuclei_one_class(self):
        found = self.prepare("monusac", "--site", "SiteA")["SiteA"]
        for name, (_, mask, patient, _) in found.items():
            numpy.testing.assert_array_equal(mask, mask_of(self.marks[name], 1))
            self.assertEqual(patient, name[:12])

    def test_classes_by_their_names(self):
        words = ",".join(f"{name}={number}" for name, number in self.CLASSES.items())
        names = "background,epithelial,lymphocyte,macrophage,neutrophil"
        found = self.prepare("monusac", "--mask-values", words, "--class-names", names)["monusac"]
        for name, (_, mask, _, _) in found.items():
            numpy.testing.assert_array_equal(mask, mask_of(self.marks[name], self.CLASSES))
        self.fails(self.command("monusac", "--overwrite", "--mask-values", "Epithelial=1"), 1, "'Lymphocyte'")

    def test_a_table_of_patients(self):
        table = self.folder / "sites.csv"
        table.write_text("patient,site\nTCGA-5P-A9K0,Kidney\nTCGA-55-1594,Lung\n")
        sites = self.prepare("monusac", "--sites-from", table)
        self.assertEqual({site: len(found) for site, found in sites.items()}, {"Kidney": 2, "Lung": 2})


class OtherLayouts(NucleiTest, support.ProgramTest):
    def mask(self, name, **options):
        values = self.draw.integers(0, 2, (SIDE, SIDE)).astype(numpy.uint8)
        path = self.input / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(values * 255).convert(options.get("mode", "L")).save(path)
        return values

    def test_tnbc(self):
        expected = {}
        for slide in ("01", "02"):
            for number in (1, 2, 3):
                name = f"{slide}_{number}"
                image = self.image(f"Slide_{slide}/{name}.png")
                expected[name] = (image, self.mask(f"GT_{slide}/{name}.png"), f"Slide_{slide}")
        found = self.prepare("tnbc", "--site", "SiteF")["SiteF"]
        self.assertEqual(sorted(found), sorted(expected))
        for name, (image, mask, patient, _) in found.items():
            numpy.testing.assert_array_equal(image, expected[name][0])
            numpy.testing.assert_array_equal(mask, expected[name][1])
            self.assertEqual(patient, expected[name][2])

    def test_authors(self):
        expected = {}
        for site in ("SiteA", "SiteF"):
            for split in ("train", "val", "test"):
                for number in range(2):
                    image = self.image(f"{site}/{split}/images/{number}.png")
                    mask = self.mask(f"{site}/{split}/labels/{number}.png", mode="1")
                    expected[site, f"{split}/{number}"] = (image, mask)
        sites = self.prepare("authors")
        for site, found in sites.items():
            for name, (image, mask, _, split) in found.items():
                numpy.testing.assert_array_equal(image, expected[site, name][0])
                numpy.testing.assert_array_equal(mask, expected[site, name][1])
                self.assertEqual(split, name.split("/")[0])
        self.assertEqual(sum(map(len, sites.values())), len(expected))


if __name__ == "__main__":
    support.main()
