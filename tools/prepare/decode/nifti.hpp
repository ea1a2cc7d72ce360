// SPDX-License-Identifier: Apache-2.0
/// Volumes from NIfTI files (NIfTI-1 and -2, one file, plain or gzip, either byte order).
///
/// A reader of our own over zlib: niftilib turns values that are not finite into 0, and takes the
/// header for voxels where vox_offset is 0, without a word.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <vector>

namespace harmofl::prepare {

/// Rows of the upper three of a 4x4 matrix that takes a voxel (i, j, k, 1) to millimetres in RAS:
/// to the right, the front and the top of the patient.
using Affine = std::array<std::array<double, 4>, 3>;

/// A volume as its file holds it.
struct Volume {
  std::array<std::int64_t, 3> size{};  ///< Number of voxels along i, j and k.
  std::vector<double> values{};        ///< Scaled as the header says, i fastest; all finite.
  Affine affine{};
  std::vector<std::byte> header{};  ///< As the file has it; empty where the volume is not a file's.

  double at(std::int64_t i, std::int64_t j, std::int64_t k) const {
    return values[static_cast<std::size_t>((k * size[1] + j) * size[0] + i)];
  }
};

/// Reads a volume of three axes (further ones of one entry) of integers of 8 to 64 bits or floats
/// of 32 or 64, and scales it by scl_slope and scl_inter. The affine is the sform, else the qform,
/// else the sizes of the voxels with i to the left, and in millimetres, which unknown units are
/// taken for.
///
/// Throws UserError that names the file for anything else: a header that claims more or less than
/// the file holds, a type, size, offset or orientation that makes no sense, damage, more than a
/// sixteenth of this machine's memory, and a voxel that is not finite, which it names.
Volume read_nifti(const std::filesystem::path& path);

/// For each axis of RAS: which axis of the volume lies closest to it, and whether that runs the
/// other way. The affine's three directions are made orthogonal first, as nibabel does.
struct Orientation {
  std::array<std::size_t, 3> axis{};
  std::array<bool, 3> flipped{};

  bool operator==(const Orientation&) const = default;
};

/// Throws UserError, naming `file`, for an affine whose directions lie in a plane.
Orientation orientation_of(const Affine& affine, const std::filesystem::path& file);

/// Where the voxels of a volume stand among its values, counted along RAS: voxel (i, j, k) is
/// number first + i * step[0] + j * step[1] + k * step[2].
struct RasOrder {
  std::array<std::int64_t, 3> size{};  ///< Number of voxels to the right, the front and the top.
  std::array<std::int64_t, 3> step{};
  std::int64_t first = 0;

  std::size_t place(std::int64_t i, std::int64_t j, std::int64_t k) const {
    return static_cast<std::size_t>(first + i * step[0] + j * step[1] + k * step[2]);
  }
};

/// Of a volume of `size` voxels that lies as `from` says.
RasOrder ras_order(const Orientation& from, const std::array<std::int64_t, 3>& size);

/// The volume turned so that i runs to the right, j to the front and k to the top.
Volume to_ras(const Volume& volume, const std::filesystem::path& file);

/// Millimetres from voxel to voxel along i, j and k.
std::array<double, 3> voxel_sizes(const Affine& affine);

}  // namespace harmofl::prepare
