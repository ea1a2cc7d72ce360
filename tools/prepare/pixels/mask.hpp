// SPDX-License-Identifier: Apache-2.0
/// Masks: the class of each pixel, from images and by a rule.
#pragma once

#include "prepare/pixels/image.hpp"
#include "prepare/pixels/mask_rule.hpp"

#include <cstdint>
#include <filesystem>
#include <vector>

namespace harmofl::prepare {

/// Reads an image as a mask, one channel of class numbers, by `rule`:
///   - with a threshold, values of at least it are 1, others 0;
///   - with classes, each value is what they say, and a value that they do not name is an error;
///   - of instances every value but 0 is 1;
///   - with none of these, a mask must hold 0 and at most one other value: 1, 255 or the largest of
///   its
///     depth, which is 1.
///
/// The value of a pixel is the stored sample: of one channel, or of three that are equal; of a
/// palette, the grey where all its colours are grey, else the index. Throws UserError as `decode`
/// does, for colours, for pixels that are not opaque, and for values that do not fit the rule.
Image read_mask(const std::filesystem::path& path, const MaskRule& rule = {},
                std::int64_t max_pixels = usual_max_pixels);

/// Reads the values of a mask's pixels, [H, W]; 0 where their class is 0. Throws as `read_mask`.
std::vector<std::uint16_t> read_mask_numbers(const std::filesystem::path& path,
                                             const MaskRule& rule,
                                             std::int64_t max_pixels = usual_max_pixels);

}  // namespace harmofl::prepare
