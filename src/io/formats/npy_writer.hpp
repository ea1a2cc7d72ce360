// SPDX-License-Identifier: Apache-2.0
/// Arrays in NumPy's own format, .npy version 1.0 (numpy.lib.format).
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace harmofl {

/// The bytes of a .npy file of float32 `values` of `shape`, row-major. Expects as many values as
/// the shape says.
std::string npy_bytes(std::span<const float> values, const std::vector<std::int64_t>& shape);

}  // namespace harmofl
