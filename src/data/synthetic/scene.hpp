// SPDX-License-Identifier: Apache-2.0
/// Scenes of the synthetic sites: nuclei on tissue, before any scanner has seen them.
#pragma once

#include "harmofl/base/rng.hpp"
#include "harmofl/io/shard.hpp"

#include <cstdint>
#include <vector>

namespace harmofl {

/// One image as the amounts of two stains, and where its nuclei are.
struct Scene {
  std::vector<float> nuclear_stain;  ///< [H, W], 0 (none) to about 1.
  std::vector<float> tissue_stain;   ///< [H, W].
  std::vector<std::uint8_t> mask;    ///< [H, W], 1 inside a nucleus.
};

/// Draws a scene of `height` x `width` pixels. The nuclei's shape is that of class `label` for
/// classification (0 round, 1 elongated, of the same area) and of any kind for segmentation.
Scene draw_scene(Task task, std::int64_t label, std::int64_t height, std::int64_t width,
                 RngStream& rng);

}  // namespace harmofl
