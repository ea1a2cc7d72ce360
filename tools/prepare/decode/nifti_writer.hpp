// SPDX-License-Identifier: Apache-2.0
/// Masks as NIfTI files that lie on the volume that they were made of.
#pragma once

#include "prepare/decode/nifti.hpp"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace harmofl::prepare {

/// The bytes of a file with one unsigned byte a voxel of `volume`, which was read from a file, in
/// the order of its values.
///
/// Version, byte order, axes, sizes of voxels, units, qform, sform and times are those of the
/// volume's header. Values are not scaled (scl_slope 1, scl_inter 0); the range to display, the
/// intent, all free texts and what follows the header (extensions) are left out, as they tell of
/// the volume or of a patient.
std::string nifti_mask(const Volume& volume, std::span<const std::uint8_t> mask);

/// `bytes` packed as .gz, without a name or a time: the same bytes for the same bytes.
std::string gzip_of(std::string_view bytes);

}  // namespace harmofl::prepare
