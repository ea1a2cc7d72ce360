// SPDX-License-Identifier: Apache-2.0
/// Images as PNG (ISO/IEC 15948): 8 bits a value, no interlacing, no filter.
#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace harmofl {

/// The bytes of a PNG file of `pixels` [height, width], row-major. Expects at least one pixel and
/// as many as `height` and `width` say, each at most 2^31 - 1. The same input gives the same bytes.
std::string grey_png(std::span<const std::uint8_t> pixels, std::int64_t height, std::int64_t width);

/// The same of colours: `pixels` [height, width, 3], red, green and blue.
std::string colour_png(std::span<const std::uint8_t> pixels, std::int64_t height,
                       std::int64_t width);

}  // namespace harmofl
