// SPDX-License-Identifier: Apache-2.0
/// Where the fields of the headers of NIfTI files stand. Private to nifti*.
#pragma once

#include <cstddef>
#include <string_view>

namespace harmofl::prepare {

inline constexpr std::size_t nifti1_bytes = 348, nifti2_bytes = 540;

/// Of one version, in bytes from the start.
struct NiftiPlaces {
  std::size_t dim, type, bits, pixdim, offset, slope, intercept, units, qform, sform, quatern,
      qoffset, srow, magic;
  std::string_view magic_text, magic_of_pairs;
};

inline constexpr NiftiPlaces nifti1_places{.dim = 40,
                                           .type = 70,
                                           .bits = 72,
                                           .pixdim = 76,
                                           .offset = 108,
                                           .slope = 112,
                                           .intercept = 116,
                                           .units = 123,
                                           .qform = 252,
                                           .sform = 254,
                                           .quatern = 256,
                                           .qoffset = 268,
                                           .srow = 280,
                                           .magic = 344,
                                           .magic_text = {"n+1\0", 4},
                                           .magic_of_pairs = {"ni1\0", 4}};
inline constexpr NiftiPlaces nifti2_places{.dim = 16,
                                           .type = 12,
                                           .bits = 14,
                                           .pixdim = 104,
                                           .offset = 168,
                                           .slope = 176,
                                           .intercept = 184,
                                           .units = 500,
                                           .qform = 344,
                                           .sform = 348,
                                           .quatern = 352,
                                           .qoffset = 376,
                                           .srow = 400,
                                           .magic = 4,
                                           .magic_text = {"n+2\0\r\n\032\n", 8},
                                           .magic_of_pairs = {"ni2\0\r\n\032\n", 8}};

}  // namespace harmofl::prepare
