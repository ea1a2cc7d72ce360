// SPDX-License-Identifier: Apache-2.0
/// Headers of NIfTI files (NIfTI-1: nifti1.h of 2008, NIfTI-2: nifti2.h of 2011). Private to
/// nifti*.
#pragma once

#include "prepare/decode/nifti.hpp"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>

namespace harmofl::prepare {

/// What the values are stored as.
enum class NiftiType { u8, i8, u16, i16, u32, i32, u64, i64, f32, f64 };

std::size_t size_bytes(NiftiType type);

/// A header that was checked, by itself.
struct NiftiHeader {
  bool swapped = false;                ///< Numbers are in the other byte order than this machine's.
  std::array<std::int64_t, 3> size{};  ///< Each at least 1; their product times 8 fits in int64.
  NiftiType type = NiftiType::u8;
  std::int64_t offset = 0;  ///< Of the values in the file, in bytes.
  double slope = 1.0;
  double intercept = 0.0;
  Affine affine{};

  std::int64_t count() const { return size[0] * size[1] * size[2]; }
};

/// How many bytes of header follow a file's first four; 0 when they do not begin a NIfTI file.
std::size_t nifti_header_bytes(std::span<const std::byte, 4> start);

/// Parses a whole header of `nifti_header_bytes`. Throws UserError, naming `file`.
NiftiHeader parse_nifti_header(std::span<const std::byte> bytes, const std::filesystem::path& file);

}  // namespace harmofl::prepare
