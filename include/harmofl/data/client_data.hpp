// SPDX-License-Identifier: Apache-2.0
/// The samples of one client, in memory, ready to be cut into batches.
#pragma once

#include "harmofl/data/partition.hpp"
#include "harmofl/io/shard.hpp"
#include "harmofl/io/shard_pool.hpp"

#include <torch/types.h>

#include <array>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

namespace harmofl {

/// Samples of one split.
struct Samples {
  torch::Tensor images;          ///< [N, C, H, W], uint8 or float32, as stored.
  torch::Tensor targets;         ///< int64 [N] (labels) or uint8 [N, H, W] (masks).
  double intensity_scale = 1.0;  ///< The network sees image / intensity_scale.
  /// Where their batches go, when that is not where the samples are (see residence.hpp).
  std::optional<torch::Device> batch_device = {};

  std::int64_t count() const { return images.defined() ? images.size(0) : 0; }
};

/// A client with its three splits.
struct ClientData {
  std::string site;  ///< Name of the client: of its site, where a client is a site.
  Task task = Task::segmentation;
  std::int64_t classes = 2;
  std::array<Samples, 3> splits;  ///< Indexed by Split.

  const Samples& split(Split which) const { return splits[static_cast<std::size_t>(which)]; }
  Samples& split(Split which) { return splits[static_cast<std::size_t>(which)]; }
};

/// Reads a whole shard into memory, verified, and moves it to `device`.
ClientData load_client(const std::filesystem::path& shard, torch::Device device);

/// Reads the samples of `part` (and no others), verified as far as ShardReader::read_rows does, and
/// moves them to `device`: in the order of `part`, from as many shards as it names. `shards` has
/// the order in which `part` counts. Throws UserError that names both files when shards that the
/// client mixes differ in task, classes, shape, pixel type or intensity scale.
ClientData load_client(const ClientPart& part, ShardPool& shards, torch::Device device);

}  // namespace harmofl
