// SPDX-License-Identifier: Apache-2.0
/// The samples of one client, in memory or read as they are needed, ready to be cut into batches.
#pragma once

#include "harmofl/data/partition.hpp"
#include "harmofl/io/shard.hpp"
#include "harmofl/io/shard_pool.hpp"

#include <torch/types.h>

#include <array>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>

namespace harmofl {

/// Where the samples of a client are while a run needs them, `data.residence`.
enum class Residence {
  memory,  ///< In memory, read once.
  stream,  ///< In their files, read anew whenever a batch is cut.
};

/// Some samples of a split, in host memory.
struct SampleBlock {
  torch::Tensor images;   ///< As Samples::images.
  torch::Tensor targets;  ///< As Samples::targets.
};

/// The samples of a split that are not in memory.
class SampleSource {
 public:
  virtual ~SampleSource() = default;

  virtual std::int64_t count() const = 0;

  /// Memory for `count` samples, its values undefined.
  virtual SampleBlock make_block(std::int64_t count) const = 0;

  /// Reads the samples at positions `rows` to the first places of `block`. By any number of threads
  /// at once, into other blocks. Throws UserError for damage.
  virtual void read(std::span<const std::int64_t> rows, SampleBlock& block) const = 0;

  /// Throws UserError when the samples are no longer those that were opened.
  virtual void check_unchanged() const = 0;
};

/// Samples of one split.
struct Samples {
  torch::Tensor images;          ///< [N, C, H, W], uint8 or float32, as stored.
  torch::Tensor targets;         ///< int64 [N] (labels) or uint8 [N, H, W] (masks).
  double intensity_scale = 1.0;  ///< The network sees image / intensity_scale.
  /// Where their batches go, when that is not where the samples are (see residence.hpp).
  std::optional<torch::Device> batch_device = {};
  /// Where they are read from; images and targets are then undefined.
  std::shared_ptr<const SampleSource> source = {};

  std::int64_t count() const {
    if (source) return source->count();
    return images.defined() ? images.size(0) : 0;
  }
};

/// A client with its three splits.
struct ClientData {
  std::string site;  ///< Name of the client: of its site, where a client is a site.
  Task task = Task::segmentation;
  std::int64_t classes = 2;
  std::array<Samples, 3> splits;  ///< Indexed by Split.
  /// Their part of the memory of a GPU, given back when the last copy of it ends; null where they
  /// are not there (see residence.hpp).
  std::shared_ptr<const void> device_room = {};

  const Samples& split(Split which) const { return splits[static_cast<std::size_t>(which)]; }
  Samples& split(Split which) { return splits[static_cast<std::size_t>(which)]; }
};

class SampleBudget;

/// Reads a whole shard into memory, verified. Its batches go to `device`.
ClientData load_client(const std::filesystem::path& shard, torch::Device device);

/// Reads the samples of `part` (and no others), verified as far as ShardReader::read_rows does: in
/// the order of `part`, from as many shards as it names. `shards` has the order in which `part`
/// counts. Their batches go to `device`; where that is a GPU and `budget` has room for them, the
/// samples move there as a whole. Throws UserError that names both files when shards that the
/// client mixes differ in task, classes, shape, pixel type or intensity scale.
///
/// With `Residence::stream` no pixel is read yet: the samples stay in the shards, and `shards` must
/// outlive them.
ClientData load_client(const ClientPart& part, ShardPool& shards, torch::Device device,
                       Residence residence = Residence::memory, SampleBudget* budget = nullptr);

}  // namespace harmofl
