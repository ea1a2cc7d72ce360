// SPDX-License-Identifier: Apache-2.0
/// Shapes and types of the tensors that a shard's samples become.
#pragma once

#include "harmofl/io/shard.hpp"

#include <torch/types.h>

#include <cstdint>
#include <vector>

namespace harmofl {

/// Shapes of the tensors of `count` samples.
inline std::vector<std::int64_t> image_shape(const ShardInfo& info, std::int64_t count) {
  return {count, info.channels, info.height, info.width};
}

inline std::vector<std::int64_t> target_shape(const ShardInfo& info, std::int64_t count) {
  if (info.task == Task::classification) return {count};
  return {count, info.height, info.width};
}

inline torch::Dtype image_type(const ShardInfo& info) {
  return info.pixel_type == PixelType::uint8 ? torch::kUInt8 : torch::kFloat32;
}

inline torch::Dtype target_type(const ShardInfo& info) {
  return info.task == Task::classification ? torch::kInt64 : torch::kUInt8;
}

}  // namespace harmofl
