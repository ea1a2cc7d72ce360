#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""harmofl-prepare camelyon17 and prostate, on small sets of the published layouts."""

import csv
import gzip
import os
import signal
import struct
import subprocess
import time
import unittest

import hostile
import support

try:
    import nibabel
    import numpy
    import published_sets as sets
    from PIL import Image
except ImportError as missing:
    raise SystemExit(support.SKIPPED) from missing

SPLITS = ("train", "val", "test")


def contents(shard):
    """id -> (split, image, label or mask, patient)."""
    found = {}
    with support.h5(shard) as file:
        for split in SPLITS:
            group = file[split]
            names = [text.decode() for text in group["ids"]]
            targets = group["labels" if "labels" in group else "masks"][()]
            patients = [text.decode() for text in group["groups"]] if "groups" in group else [""] * len(names)
            images = group["images"][()]
            for i, name in enumerate(names):
                found[name] = (split, images[i], targets[i], patients[i])
    return found


class Camelyon(hostile.HostileTest):
    """Three patients a hospital, six patches each."""

    def setUp(self):
        super().setUp()
        self.input = self.folder / "camelyon17_v1.0"
        self.output = self.folder / "shards"
        self.rows = sets.camelyon_rows(3, 6)
        sets.write_camelyon(self.input, self.rows)

    def prepare(self, *arguments):
        words = (support.PREPARE, "camelyon17", "--input", self.input, "--output", self.output)
        return hostile.run((*words, *arguments))

    def shards(self):
        return {path.stem: contents(path) for path in self.output.glob("*.h5")}

    def test_every_pixel_label_patient_and_split_of_wilds(self):
        done = self.succeeds(self.prepare("--jobs", 3))
        shards = self.shards()
        self.assertEqual(sorted(shards), [f"hospital{i}" for i in range(5)])
        for row in self.rows:
            name = os.path.basename(sets.patch_file(row))[:-4]
            split, image, label, patient = shards[f"hospital{row['center']}"].pop(name)
            # As wilds.datasets.camelyon17_dataset: hospital 1 is val, 2 is test.
            wilds = {1: "val", 2: "test"}.get(row["center"], ("train", "val")[row["split"]])
            self.assertEqual((split, label, patient), (wilds, row["tumor"], row["patient"]))
            with Image.open(self.input / sets.patch_file(row)) as png:
                expected = numpy.asarray(png)[..., :3].transpose(2, 0, 1)
            numpy.testing.assert_array_equal(image, expected)
        self.assertEqual([len(left) for left in shards.values()], [0] * 5)
        self.assertIn("hospital4", done.stdout)
        self.assertEqual(
            sorted(path.name for path in self.output.iterdir()), [f"hospital{i}.h5" for i in range(5)]
        )
        again = self.succeeds(self.prepare())
        self.assertEqual(again.stderr.count("kept"), 5)

    def test_jobs_and_processes_make_the_same_bytes(self):
        self.succeeds(self.prepare("--jobs", 1, "--split", "patient"))
        one = {path.name: path.read_bytes() for path in self.output.glob("*.h5")}
        self.output = self.folder / "parts"
        for sites in ("hospital0,hospital3", "hospital1,hospital2,hospital4"):
            self.succeeds(self.prepare("--jobs", 4, "--split", "patient", "--sites", sites))
        self.assertEqual({path.name: path.read_bytes() for path in self.output.glob("*.h5")}, one)

    def test_patients_stay_whole_and_the_tail_is_the_last_part_of_train(self):
        self.succeeds(self.prepare("--split", "patient", "--shares", "34/33/33"))
        for shard in self.shards().values():
            where = {(patient, split) for split, _, _, patient in shard.values()}
            self.assertEqual(len(where), 3)
            self.assertEqual({split for _, split in where}, set(SPLITS))
        self.succeeds(self.prepare("--split", "tail", "--shares", "50/17/33", "--overwrite"))
        for hospital, shard in self.shards().items():
            order = [
                os.path.basename(sets.patch_file(r))[:-4]
                for r in self.rows
                if hospital[-1] == str(r["center"])
            ]
            rest = [shard[name][0] for name in order if shard[name][0] != "test"]
            self.assertEqual(rest, ["train"] * 9 + ["val"] * 3)  # floor(12 * 17 / 67) = 3

    def test_missing_and_damaged_patches(self):
        files = [self.input / sets.patch_file(row) for row in self.rows]
        files[3].unlink()
        files[20].write_bytes(files[20].read_bytes()[:900])
        Image.fromarray(numpy.zeros((96, 97, 3), numpy.uint8)).save(files[40])
        self.fails(self.prepare(), 1, "hospital0_missing.csv", "1 patches", "--allow-missing 1")
        self.fails(self.prepare("--allow-missing", 1), 1, "list 2 patches", "--allow-missing 2")
        done = self.succeeds(self.prepare("--allow-missing", 3))
        self.assertIn("3 patches are left out", done.stderr)
        listed = {}
        for path in self.output.glob("*_missing.csv"):
            with open(path, newline="", encoding="utf-8") as file:
                listed |= {row["id"]: row["problem"] for row in csv.DictReader(file)}
        names = [os.path.basename(file)[:-4] for file in (files[3], files[20], files[40])]
        self.assertEqual(set(listed), set(names))
        self.assertIn("96x97", listed[names[2]])
        self.assertEqual(sum(map(len, self.shards().values())), len(self.rows) - 3)

    def test_files_that_change_before_the_work_goes_on(self):
        files = [self.input / sets.patch_file(row) for row in self.rows if row["center"] == 0]
        whole = files[-1].read_bytes()
        files[-1].write_bytes(whole[:900])
        self.fails(self.prepare("--sites", "hospital0"), 1, "list 1 patches")
        self.assertTrue((self.output / ".hospital0.h5.part").exists())
        files[-1].write_bytes(whole)
        Image.fromarray(numpy.full((96, 96, 3), 77, numpy.uint8)).save(files[2])
        self.succeeds(self.prepare("--sites", "hospital0"))
        self.assertFalse((self.output / ".hospital0.h5.part").exists())
        shard = contents(self.output / "hospital0.h5")
        self.assertEqual(len(shard), 18)
        self.assertTrue((shard[files[2].stem][1] == 77).all())

    def test_tables_that_lie(self):
        table = (self.input / "metadata.csv").read_text()
        line = table.splitlines()[1]
        for old, new, text in (
            ("patient,node", "person,node", "no column 'patient'"),
            ("000,0,0,", "../../etc,0,0,", "digits"),
            ("000,0,0,", "000,-1,0,", "'node'"),
            ("000,0,0,", "000,0,1e3,", "'x_coord'"),
            (line, line + "\n" + line, "comes twice"),
            (line, line[:-3] + "7,0", "'center'"),
            (line, line + ",1", "expected 9 fields"),
        ):
            with self.subTest(text=text):
                self.assertIn(old, table)
                (self.input / "metadata.csv").write_text(table.replace(old, new, 1))
                self.is_refusal(self.prepare(), 1, "metadata.csv", text)


class KilledCamelyon(support.ProgramTest):
    """A conversion that is killed again and again."""

    def test_goes_on_within_a_hospital_to_the_same_bytes(self):
        source = self.folder / "set"
        rows = [row for row in sets.camelyon_rows(2, 150, nodes=2) if row["center"] == 3]
        sets.write_camelyon(source, rows)
        command = [support.PREPARE, "camelyon17", "--input", str(source), "--output"]
        whole = self.folder / "whole"
        subprocess.run([*command, str(whole)], check=True, capture_output=True)
        part = self.folder / "part"
        spool = part / ".hospital3.h5.part"
        sizes = []
        for _ in range(3):
            process = subprocess.Popen(
                [*command, str(part)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            before = sizes[-1] if sizes else 0
            while process.poll() is None and (
                not spool.exists() or spool.stat().st_size < before + 2_000_000
            ):
                time.sleep(0.001)
            process.send_signal(signal.SIGKILL)
            process.wait()
            if process.returncode == 0:
                break
            self.assertFalse((part / "hospital3.h5").exists())
            sizes.append(spool.stat().st_size)
            with open(spool, "ab") as file:
                file.write(b"torn" * 50)  # what a loss of power leaves
        self.assertEqual(sizes, sorted(sizes))
        self.assertGreater(len(sizes), 0)
        subprocess.run([*command, str(part), "--jobs", "2"], check=True, capture_output=True)
        self.assertEqual((part / "hospital3.h5").read_bytes(), (whole / "hospital3.h5").read_bytes())
        self.assertFalse(spool.exists())


def turned_volumes():
    """Cases: (name, dtype, axes, class, byte order, ending of the file, scaling, form)."""
    one, two = nibabel.Nifti1Image, nibabel.Nifti2Image
    return (
        ("Case00", numpy.int16, "LPS", one, "<", ".nii.gz", None, "sform"),
        ("Case01", numpy.uint8, "RAS", one, ">", ".nii", None, "sform"),
        ("Case02", numpy.float32, "SRP", two, "<", ".nii.gz", None, "qform"),
        ("Case03", numpy.float64, "PIL", two, ">", ".nii", None, "sform"),
        ("Case04", numpy.uint16, "RAI", one, "<", ".nii.gz", (0.25, -3.0), "qform"),
        ("Case05", numpy.int32, "ASL", one, ">", ".nii.gz", (2.0, 10.0), "sform"),
        ("Case06", numpy.int8, "LAS", two, "<", ".nii", None, "qform"),
    )


class Prostate(hostile.HostileTest):
    """One site of seven volumes of 20x24 pixels, turned in seven ways."""

    def setUp(self):
        super().setUp()
        self.site = self.folder / "set" / "BIDMC"
        self.site.mkdir(parents=True)
        self.volumes = {}
        random = numpy.random.default_rng(7)
        for name, dtype, axes, image_class, order, ending, scaling, form in turned_volumes():
            values, mask = sets.prostate_volume(random, (9, 20, 24), dtype)
            label = "_Segmentation" if name == "Case03" else "_segmentation"
            options = (axes, (0.5, 0.625, 3.0), image_class, order)
            sets.save_nifti(self.site / f"{name}{ending}", values, *options, scaling, form)
            sets.save_nifti(self.site / f"{name}{label}.nii.gz", mask, *options)
            # With scaling nibabel divides before it stores, and rounds.
            stored = None if scaling is not None else numpy.asarray(values, numpy.float64)
            self.volumes[name] = (stored, mask, ending)

    def prepare(self, *arguments):
        words = (support.PREPARE, "prostate", "--input", self.folder / "set", "--output", self.folder / "out")
        return hostile.run((*words, *arguments))

    def displayed(self, name, ending):
        """The volume as nibabel reads and turns it, in the order of display."""
        image = nibabel.as_closest_canonical(nibabel.load(self.site / f"{name}{ending}"))
        return image.get_fdata().transpose(2, 1, 0)[:, ::-1, ::-1]

    def test_every_value_is_that_of_numpy(self):
        self.succeeds(self.prepare("--size", "20x24"))
        found = contents(self.folder / "out" / "BIDMC.h5")
        count = 0
        for name, (stored, mask, ending) in self.volumes.items():
            volume = self.displayed(name, ending)
            if stored is not None:
                numpy.testing.assert_array_equal(volume, stored)
            kept, images, masks = sets.expected_slices(volume, mask)
            for k, image, label in zip(kept, images, masks, strict=True):
                _, pixels, stored_mask, patient = found[f"{name}_z{k:03}"]
                numpy.testing.assert_array_equal(pixels, image, err_msg=name)
                numpy.testing.assert_array_equal(stored_mask, label)
                self.assertEqual(patient, f"BIDMC_{name}")
                count += 1
        self.assertEqual(count, len(found))
        with support.h5(self.folder / "out" / "BIDMC.h5") as shard:
            self.assertEqual(shard.attrs["spacing"].tolist(), [0.5, 0.625])

    def test_splits_and_sizes(self):
        self.succeeds(self.prepare("--size", "10x12", "--jobs", 2))
        by_patient = contents(self.folder / "out" / "BIDMC.h5")
        self.assertEqual(len({(patient, split) for split, _, _, patient in by_patient.values()}), 7)
        with support.h5(self.folder / "out" / "BIDMC.h5") as shard:
            self.assertEqual(shard.attrs["spacing"].tolist(), [1.0, 1.25])
        self.succeeds(self.prepare("--size", "10x12", "--split-by", "slice", "--overwrite"))
        by_slice = contents(self.folder / "out" / "BIDMC.h5")
        counts = [sum(split == wanted for split, *_ in by_slice.values()) for wanted in SPLITS]
        total = len(by_slice)
        self.assertEqual(counts[1:], [round(0.16 * total), round(0.2 * total)])
        for name, (_, pixels, mask, _) in by_patient.items():
            numpy.testing.assert_array_equal(by_slice[name][1], pixels)
            numpy.testing.assert_array_equal(by_slice[name][2], mask)

    def refuses(self, name, content, *texts):
        path = self.site / name
        kept = path.read_bytes()
        path.write_bytes(content)
        self.is_refusal(self.prepare("--size", "20x24"), 1, path, *texts)
        path.write_bytes(kept)

    def test_files_that_lie(self):
        plain = bytearray((self.site / "Case01.nii").read_bytes())  # big-endian, 352 bytes of header
        packed = (self.site / "Case00.nii.gz").read_bytes()

        def changed(place, kind, *numbers):
            bad = bytearray(plain)
            struct.pack_into(">" + kind, bad, place, *numbers)
            return bytes(bad)

        for content, text in (
            (plain[:200], "ends early"),
            (plain[:-1], "more than its"),
            (plain + b"\0", "more than its header claims"),
            (changed(40, "8h", 3, 32767, 32767, 32767, 1, 1, 1, 1), "more than its"),
            (changed(40, "8h", 3, -20, 24, 9, 1, 1, 1, 1), "axis 1 has -20"),
            (changed(40, "8h", 4, 24, 20, 9, 2, 1, 1, 1), "axis 4 has 2"),
            (changed(40, "8h", 2, 24, 180, 1, 1, 1, 1, 1), "2 axes"),
            (changed(108, "f", 0.0), "vox_offset is 0"),
            (changed(108, "f", 1e9), "vox_offset"),
            (changed(108, "f", float("nan")), "vox_offset"),
            (changed(70, "h", 32), "datatype 32"),
            (changed(72, "h", 16), "bitpix"),
            (changed(280, "4f", 0, 0, 0, 0), "lie in a plane"),
            (changed(280, "f", float("inf")), "finite"),
            (changed(344, "4s", b"ni1\0"), ".img"),
            (changed(344, "4s", b"\0\0\0\0"), "n+1"),
            (b"\x89PNG" + bytes(400), "348 or 540"),
            (b"", "ends early"),
        ):
            with self.subTest(text=text):
                self.refuses("Case01.nii", bytes(content), text)
        for content, text in (
            (packed[: len(packed) // 2], "ends early"),
            (packed[:-8] + bytes(8), "damaged"),
            (gzip.compress(gzip.decompress(packed) + bytes(1 << 26)), "more than its header claims"),
        ):
            with self.subTest(text=text):
                self.refuses("Case00.nii.gz", content, text)

    def test_values_that_are_no_numbers(self):
        for bad in (numpy.nan, numpy.inf):
            values = numpy.ones((24, 20, 9), numpy.float32)
            values[5, 4, 3] = bad
            path = self.folder / "bad.nii.gz"
            nibabel.Nifti1Image(values, numpy.diag([-1, -1, 1, 1])).to_filename(path)
            self.refuses("Case00.nii.gz", path.read_bytes(), "voxel (5, 4, 3)")

    def test_masks_and_volumes_that_do_not_fit_together(self):
        mask = (self.site / "Case01_segmentation.nii.gz").read_bytes()
        small = self.folder / "small.nii.gz"
        for shape, axes, text in (
            ((9, 20, 25), "RAS", "25x20x9"),
            ((9, 20, 24), "LPS", "turned another way"),
        ):
            sets.save_nifti(small, numpy.ones(shape, numpy.uint8), axes, (1, 1, 1), nibabel.Nifti1Image)
            self.refuses("Case01_segmentation.nii.gz", small.read_bytes(), text)
        sets.save_nifti(
            small, numpy.full((9, 20, 24), 0.5, numpy.float32), "RAS", (1, 1, 1), nibabel.Nifti1Image
        )
        self.refuses("Case01_segmentation.nii.gz", small.read_bytes(), "whole numbers")
        (self.site / "Case01_segmentation.nii.gz").unlink()
        self.is_refusal(self.prepare(), 1, "Case01.nii", "has no mask")
        (self.site / "Case01_segmentation.nii.gz").write_bytes(mask)
        (self.site / "Case01.nii").unlink()
        self.is_refusal(self.prepare(), 1, "Case01_segmentation.nii.gz", "has no volume")


class RealVolumes(support.ProgramTest):
    """Volumes of other programs, which are not of the prostate, with every voxel as nibabel reads it."""

    def test_pixels_are_those_of_nibabel(self):
        source = support.SOURCE.parent / "shared/data/nifti"
        if not source.is_dir():
            raise unittest.SkipTest(f"{source} is not there")
        for name, site in (("sct_t2", "cord"), ("ms_patient07_flair", "brain")):
            folder = self.folder / site / site
            folder.mkdir(parents=True)
            for ending in (".nii.gz", "_segmentation.nii.gz"):
                (folder / f"{name}{ending}").symlink_to(source / f"{name}{ending}")
            volume, mask = (
                nibabel.as_closest_canonical(nibabel.load(source / f"{name}{ending}")).get_fdata()
                for ending in (".nii.gz", "_segmentation.nii.gz")
            )
            volume, mask = (array.transpose(2, 1, 0)[:, ::-1, ::-1] for array in (volume, mask))
            size = f"{volume.shape[1]}x{volume.shape[2]}"
            output = self.folder / "out"
            words = (support.PREPARE, "prostate", "--input", folder.parent, "--output", output)
            self.succeeds(support.run((*words, "--size", size)))
            found = contents(output / f"{site}.h5")
            kept, images, masks = sets.expected_slices(volume, mask)
            self.assertEqual(len(found), len(kept))
            for k, image, label in zip(kept, images, masks, strict=True):
                numpy.testing.assert_array_equal(found[f"{name}_z{k:03}"][1], image)
                numpy.testing.assert_array_equal(found[f"{name}_z{k:03}"][2], label)


if __name__ == "__main__":
    support.main()
