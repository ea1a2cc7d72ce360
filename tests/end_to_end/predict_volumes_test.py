#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`harmofl predict` of NIfTI volumes: the masks lie on the volumes as nibabel sees them, and say what is
said of the shards and of images of the same slices."""

import functools
import shutil

import support
from support import harmofl, train

try:
    import nibabel
    import numpy
    import published_sets as sets
    from PIL import Image
except ImportError as missing:
    raise SystemExit(support.SKIPPED) from missing

SHAPE = (7, 30, 44)  # slices, rows and columns as displayed
SIZE = (32, 48)  # of the images that the model takes
# What must be the volume's own: where it lies, and how it was taken.
GEOMETRY = (
    *("sizeof_hdr", "magic", "dim_info", "dim", "pixdim", "slice_start", "slice_end", "slice_code"),
    *("slice_duration", "toffset", "xyzt_units", "qform_code", "sform_code", "quatern_b", "quatern_c"),
    *("quatern_d", "qoffset_x", "qoffset_y", "qoffset_z", "srow_x", "srow_y", "srow_z"),
)


def cases():
    """Volumes: (name, ending, dtype, axes, class, byte order, form, degrees that it is turned by)."""
    one, two = nibabel.Nifti1Image, nibabel.Nifti2Image
    return (
        ("A/Case00", ".nii.gz", numpy.int16, "LPS", one, "<", "sform", 0),
        ("A/Case01", ".nii", numpy.int16, "RAS", two, "<", "sform", 17),
        ("B/Case02", ".nii", numpy.float32, "SRP", one, ">", "qform", -23),
        ("B/Case03", ".nii.gz", numpy.uint16, "AIL", two, ">", "sform", 11),
    )


def oblique(path, degrees):
    """Turns a volume's header about an axis that is none of the patient's, and fills what else it says."""
    image = nibabel.load(path)
    axis = numpy.array([1.0, 2.0, 3.0]) / 14**0.5
    cross = numpy.cross(numpy.eye(3), -axis)
    angle = numpy.radians(degrees)
    turn = numpy.eye(4)
    turn[:3, :3] += numpy.sin(angle) * cross + (1 - numpy.cos(angle)) * cross @ cross
    header = image.header.copy()
    header["descrip"] = b"name of a patient"
    header["cal_max"] = 4000
    header["intent_code"] = 1003
    header["slice_duration"] = 0.25
    header.set_xyzt_units("mm", "sec")
    header.set_dim_info(0, 1, 2)
    turned = type(image)(numpy.asarray(image.dataobj).copy(), turn @ image.affine, header)
    sform = int(image.header["sform_code"])
    turned.set_sform(turn @ image.affine, code=sform)
    turned.set_qform(turn @ image.affine, code=1)
    turned.to_filename(path)


def organ(random, dtype):
    """A volume with a bright part, which moves from slice to slice, and the mask of that."""
    values, _ = sets.prostate_volume(random, SHAPE, numpy.uint16)
    mask = numpy.zeros(SHAPE, numpy.uint8)
    mask[:, 5:17, 8:22] = 1
    mask[3, 5:21, 8:30] = 1
    mask[1::2] = numpy.roll(mask[1::2], 6, 2)
    mask[4] = 0  # not in the shard
    mask[1:4, 17:23, 8:13] = 1
    mask = numpy.roll(mask, random.integers(0, 7, 2), (1, 2))
    return numpy.where(mask > 0, values / 4 + 6000, values).astype(dtype), mask


@functools.cache
def volumes():
    """The folder of the set, made once; not to be changed."""
    folder = support.shared_folder() / "set"
    random = numpy.random.default_rng(11)
    for name, ending, dtype, axes, image_class, order, form, degrees in cases():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        values, mask = organ(random, dtype)
        for path, content in (
            (folder / f"{name}{ending}", values),
            (folder / f"{name}_segmentation.nii.gz", mask),
        ):
            sets.save_nifti(path, content, axes, (0.5, 0.625, 3.0), image_class, order, form=form)
            oblique(path, degrees)
    return folder


@functools.cache
def shards():
    output = support.shared_folder() / "shards"
    words = ("--input", volumes(), "--output", output, "--size", "32x48", "--split-by", "slice")
    result = support.run((support.PREPARE, "prostate", *words))
    assert result.code == 0, result
    return output


def run_of(name, data, *arguments):
    folder = support.shared_folder() / name
    options = ("--amplitude.band", "dc", "--model.norm", "batch", "--data.batch_size", 4, "--run.rounds", 1)
    result = train(data, folder, "--algorithm.name", "fedavg", *options, *arguments)
    assert result.code == 0, result
    return folder / "checkpoint.h5"


@functools.cache
def checkpoint():
    return run_of("run", shards(), "--model.width", 4, "--train.lr", 0.01, "--train.local_epochs", 30)


def displayed(path):
    """Slices from bottom to top, rows from front to back, columns from right to left, as nibabel turns it."""
    image = nibabel.as_closest_canonical(nibabel.load(path))
    return numpy.asarray(image.dataobj).transpose(2, 1, 0)[:, ::-1, ::-1]


def pixels(path):
    with Image.open(path) as image:
        return numpy.asarray(image)


def in_size_of_the_volume(mask):
    """Pixel (y, x) of a slice lies in pixel floor((y + 1/2) h / H) of the resampled one, in whole numbers."""
    places = [(2 * numpy.arange(to) + 1) * of // (2 * to) for of, to in zip(SIZE, SHAPE[1:], strict=True)]
    return mask[places[0]][:, places[1]]


def dice(predicted, truth):
    return 2.0 * (predicted & truth).sum() / (predicted.sum() + truth.sum())


def files_of(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


class Volumes(support.ProgramTest):
    def predict(self, source, *arguments, model=None, output="out", **options):
        words = ("--checkpoint", model or checkpoint(), "--input", source, "--output", self.folder / output)
        return harmofl("predict", *words, *arguments, **options)

    def predicted(self, source, output="out", **options):
        self.succeeds(self.predict(source, output=output, **options))
        return self.folder / output

    def test_headers_are_those_of_the_volumes(self):
        result = self.succeeds(self.predict(volumes()))
        self.assertIn("left out 4 files that are masks by name", result.stderr)
        self.assertIn("4 masks", result.stdout)
        found = files_of(self.folder / "out")
        self.assertEqual(sorted(found), sorted(f"{name}{ending}" for name, ending, *_ in cases()))
        for name, content in found.items():
            volume, mask = nibabel.load(volumes() / name), nibabel.load(self.folder / "out" / name)
            self.assertIs(type(mask), type(volume))
            self.assertEqual(mask.shape, volume.shape)
            self.assertEqual(mask.affine.tobytes(), volume.affine.tobytes())
            self.assertEqual(mask.header.endianness, volume.header.endianness)
            for field in GEOMETRY:
                self.assertEqual(mask.header[field].tobytes(), volume.header[field].tobytes(), (name, field))
            self.assertEqual(mask.get_data_dtype(), numpy.uint8)
            for field in ("cal_max", "intent_code", "descrip"):
                self.assertTrue(volume.header[field])
                self.assertFalse(mask.header[field])
            self.assertEqual(mask.dataobj.slope, 1.0)
            self.assertEqual(mask.dataobj.inter, 0.0)
            self.assertEqual(content[:2] == b"\x1f\x8b", name.endswith(".gz"))
            if name.endswith(".gz"):
                self.assertEqual(content[3:8], bytes(5))  # no name and no time

    def test_masks_are_those_of_the_shards(self):
        output = self.predicted(volumes())
        of_shards = self.predicted(shards(), output="shards")
        for name, ending, *_ in cases():
            mask = displayed(output / f"{name}{ending}")
            truth = displayed(volumes() / f"{name}_segmentation.nii.gz")
            used = sorted(of_shards.glob(f"{name}_z*.png"))
            self.assertEqual([int(path.stem[-3:]) for path in used], [1, 2, 3, 5])
            expected = numpy.stack([in_size_of_the_volume(pixels(path)) for path in used]) == 255
            found = mask[[1, 2, 3, 5]]
            numpy.testing.assert_array_equal(found, expected, err_msg=name)
            truth = truth[[1, 2, 3, 5]].astype(bool)
            self.assertEqual(dice(found == 1, truth), dice(expected, truth))
            self.assertGreater(dice(found == 1, truth), 0.8)
            for axis in (0, 1, 2):  # a mask that is turned wrongly would be seen
                self.assertLess(dice(numpy.flip(found == 1, axis), truth), dice(found == 1, truth) - 0.05)

    def test_every_slice_is_predicted_as_the_image_that_numpy_makes_of_it(self):
        images = self.folder / "images"
        for name, ending, *_ in cases():
            values = displayed(volumes() / f"{name}{ending}").astype(float)
            high, low = numpy.percentile(values, 99), values.min()
            scaled = ((numpy.minimum(values, high) - low) / (high - low) * 255).astype(numpy.uint8)
            scaled = numpy.pad(scaled, ((1, 1), (0, 0), (0, 0)), "edge")
            for k in range(SHAPE[0]):
                path = images / f"{name}_z{k}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(scaled[k : k + 3].transpose(1, 2, 0)).save(path)
        of_images, output = self.predicted(images, output="of-images"), self.predicted(volumes())
        for name, ending, *_ in cases():
            expected = [pixels(of_images / f"{name}_z{k}.png") == 255 for k in range(SHAPE[0])]
            self.assertGreater(numpy.sum(expected), 0)
            numpy.testing.assert_array_equal(displayed(output / f"{name}{ending}"), expected, err_msg=name)

    def test_one_slice_of_four_axes_with_an_extension(self):
        values, _ = organ(numpy.random.default_rng(5), numpy.int16)
        volume = nibabel.Nifti1Image(values[2][:, :, None, None], numpy.diag([0.5, -0.5, 2.0, 1.0]))
        volume.header.extensions.append(nibabel.nifti1.Nifti1Extension("comment", b"name of a patient"))
        source = self.folder / "in"
        source.mkdir()
        volume.to_filename(source / "one.nii")
        output = self.predicted(source)
        mask = nibabel.load(output / "one.nii")
        self.assertEqual((mask.shape, list(mask.header.extensions)), (volume.shape, []))
        self.assertEqual(mask.affine.tobytes(), volume.affine.tobytes())
        self.assertEqual((output / "one.nii").stat().st_size, 352 + volume.dataobj.size)
        self.assertNotIn(b"patient", (output / "one.nii").read_bytes())

    def test_two_ranks_write_the_same_bytes(self):
        alone = self.predicted(volumes())
        self.assertEqual(files_of(self.predicted(volumes(), output="two", ranks=2)), files_of(alone))

    def test_what_cannot_be_predicted(self):
        source = self.folder / "in"
        shutil.copytree(volumes() / "A", source)
        whole = (source / "Case00.nii.gz").read_bytes()
        (source / "Case00.nii.gz").write_bytes(whole[: len(whole) // 2])
        self.fails(self.predict(source, ranks=2), 1, source / "Case00.nii.gz", "ends early")
        (source / "Case00.nii.gz").write_bytes(whole)
        self.fails(self.predict(source, "--probabilities", output="p"), 2, "--probabilities", "only masks")
        (source / "deep").mkdir()
        Image.new("RGB", (48, 32)).save(source / "deep/a.png")
        self.fails(self.predict(source, output="mixed", ranks=2), 1, source, "deep/a.png", "and volumes")
        (source / "Case00.nii.gz").unlink()
        (source / "Case01.nii").unlink()
        self.fails(self.predict(source, output="mixed-masks"), 1, source, "a mask of a volume")
        (source / "deep/a.png").unlink()
        self.fails(self.predict(source, output="masks"), 1, source, "but no volumes")

    def test_a_model_of_other_images(self):
        other = run_of("other", support.federation(), "--model.width", 2)
        result = self.predict(volumes(), model=other, ranks=2)
        self.fails(result, 1, other, "harmofl-prepare prostate", volumes())

    def test_nothing_is_replaced(self):
        kept = self.folder / "out/A/Case00.nii.gz"
        kept.parent.mkdir(parents=True)
        kept.write_text("mine")
        self.fails(self.predict(volumes(), ranks=2), 1, self.folder / "out", "files in this folder")
        self.assertEqual(files_of(self.folder / "out"), {"A/Case00.nii.gz": b"mine"})


if __name__ == "__main__":
    support.main()
