/// The samples of one client, in memory, ready to be cut into batches.
#pragma once

#include "harmofl/io/shard.hpp"

#include <torch/types.h>

#include <array>
#include <cstdint>
#include <filesystem>
#include <string>

namespace harmofl {

/// Samples of one split: tensors on one device.
struct Samples {
  torch::Tensor images;          ///< [N, C, H, W], uint8 or float32, as stored.
  torch::Tensor targets;         ///< int64 [N] (labels) or uint8 [N, H, W] (masks).
  double intensity_scale = 1.0;  ///< The network sees image / intensity_scale.

  std::int64_t count() const { return images.defined() ? images.size(0) : 0; }
};

/// A client: one site with its three splits.
struct ClientData {
  std::string site;
  Task task = Task::segmentation;
  std::int64_t classes = 2;
  std::array<Samples, 3> splits;  ///< Indexed by Split.

  const Samples& split(Split which) const { return splits[static_cast<std::size_t>(which)]; }
  Samples& split(Split which) { return splits[static_cast<std::size_t>(which)]; }
};

/// Reads a whole shard into memory, verified, and moves it to `device`.
ClientData load_client(const std::filesystem::path& shard, torch::Device device);

}  // namespace harmofl
