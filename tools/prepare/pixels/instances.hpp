// SPDX-License-Identifier: Apache-2.0
/// Numbers of instances: which nucleus a pixel belongs to, kept beside the shard for later.
#pragma once

#include "prepare/pixels/image.hpp"
#include "prepare/scan/scan.hpp"

#include <cstdint>
#include <filesystem>
#include <vector>

namespace harmofl::prepare {

/// The number of each pixel, 0 where there is no instance, [H, W].
struct Instances {
  Size size;
  std::vector<std::uint16_t> numbers;
};

/// Reads the numbers of a mask of `size`. Of outlines they count from 1 in the order of the file,
/// and the last one holds where outlines overlap; of an image they are its values where its class
/// is not 0. Throws UserError as `read_mask` and `read_outline_mask` do, and for more than 65535.
Instances read_instances(const std::filesystem::path& mask, Size size, const MaskRule& rule,
                         std::int64_t max_pixels = usual_max_pixels);

/// Writes the numbers of a sample's mask as 16-bit grey PNG, resampled or cut as its image is:
/// `folder`/<id>.png. Throws UserError as `read_instances` does, and when it cannot write.
void keep_instances(const Sample& sample, Size size, const Options& options,
                    const std::filesystem::path& folder);

}  // namespace harmofl::prepare
