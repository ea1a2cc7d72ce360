# SPDX-License-Identifier: Apache-2.0
"""Small sets laid out as the published ones are, written by Pillow and nibabel, and what must become of
them, by numpy and from the text of datasets/ alone."""

import csv

import numpy

COLUMNS = ("", "patient", "node", "x_coord", "y_coord", "tumor", "slide", "center", "split")


def camelyon_rows(patients_a_hospital, patches_a_node, seed=0, nodes=1):
    """Rows of metadata.csv; patients are numbered over all hospitals."""
    random = numpy.random.default_rng(seed)
    rows = []
    for hospital in range(5):
        for patient in range(patients_a_hospital):
            for node in range(nodes):
                for patch in range(patches_a_node):
                    rows.append(
                        {
                            "": len(rows),
                            "patient": f"{20 * hospital + patient:03}",
                            "node": node,
                            "x_coord": 96 * patch,
                            "y_coord": 32 * int(random.integers(1000)),
                            "tumor": int(random.random() < 0.2 + 0.1 * patient),
                            "slide": 10 * hospital + patient,
                            "center": hospital,
                            "split": int(random.random() < 0.1),
                        }
                    )
    return rows


def patch_file(row):
    node = f"patient_{row['patient']}_node_{row['node']}"
    return f"patches/{node}/patch_{node}_x_{row['x_coord']}_y_{row['y_coord']}.png"


def tissue(random):
    """96x96 RGBA: blobs of violet on rose, grain, and opacity that must not matter."""
    coarse = random.integers(0, 2, (12, 12)).repeat(8, axis=0).repeat(8, axis=1)[..., None]
    colours = numpy.where(coarse, (110, 60, 140), (225, 190, 215)) + random.integers(-18, 18, (96, 96, 3))
    alpha = random.integers(0, 256, (96, 96, 1))
    return numpy.concatenate([colours.clip(0, 255), alpha], axis=2).astype(numpy.uint8)


def write_camelyon(folder, rows, seed=1):
    from PIL import Image

    random = numpy.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "metadata.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    for row in rows:
        path = folder / patch_file(row)
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(tissue(random)).save(path)


def prostate_volume(random, shape, dtype):
    """A volume and its mask, in the order of display: slices, rows, columns (front first, right first)."""
    depth, height, width = shape
    high = 4000 if numpy.dtype(dtype).itemsize > 1 else 100
    volume = random.gamma(2.0, high / 10.0, shape)
    if not numpy.issubdtype(dtype, numpy.unsignedinteger):
        volume -= high / 20.0
    mask = numpy.zeros(shape, numpy.uint8)
    mask[1:-1, height // 3 : height // 2, width // 4 : width // 2] = 1
    mask[depth // 2] = 0  # a slice without label among others
    mask[2, height // 3, width // 3] = 2
    mask[0, 0, 0] = mask[-1, 0, 0] = 1  # the first and the last slice are dropped all the same
    return numpy.clip(volume, -high, 6 * high).astype(dtype), mask


def save_nifti(path, values, orientation, spacing, image_class, byte_order="<", scaling=None, form="sform"):
    """Writes an array of slices, rows and columns of display as a volume with axes like "LPS"."""
    import nibabel

    along = values.transpose(2, 1, 0)  # columns: right to left, rows: front to back, slices: up, which is LPS
    lps = nibabel.orientations.axcodes2ornt("LPS")
    wanted = nibabel.orientations.axcodes2ornt(orientation)
    to_wanted = nibabel.orientations.ornt_transform(lps, wanted)
    turned = nibabel.orientations.apply_orientation(along, to_wanted)
    affine = numpy.diag([-spacing[1], -spacing[0], spacing[2], 1.0])
    affine[:3, 3] = (11.0, -7.0, 5.0)
    affine = affine @ nibabel.orientations.inv_ornt_aff(to_wanted, along.shape)
    header = image_class.header_class(endianness=byte_order)
    header.set_data_dtype(values.dtype)
    image = image_class(turned, affine, header)
    image.set_sform(affine, code=1 if form == "sform" else 0)
    image.set_qform(affine, code=1)
    if scaling is not None:
        image.header.set_slope_inter(*scaling)
    image.to_filename(path)


def expected_slices(volume, mask):
    """Images and masks that must be stored, from the text alone, at the size that they have."""
    high = numpy.percentile(volume, 99)
    low = volume.min()
    scaled = ((numpy.minimum(volume, high) - low) / (high - low) * 255).astype(numpy.uint8)
    kept = [k for k in range(1, len(mask) - 1) if mask[k].any()]
    return (
        kept,
        numpy.array([scaled[k - 1 : k + 2] for k in kept]),
        numpy.array([numpy.minimum(mask[k], 1) for k in kept]),
    )
