// SPDX-License-Identifier: Apache-2.0
/// Who holds which images: deals the samples of a folder of shards to clients
/// (docs/guides/partitions.md). Needs names and labels only, no pixels.
#pragma once

#include "harmofl/io/shard.hpp"

#include <array>
#include <compare>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace harmofl {

/// How samples are dealt, `data.partition`.
enum class PartitionKind {
  site,       ///< One client a shard.
  iid,        ///< Equal shares of all samples, mixed.
  dirichlet,  ///< Every label is divided by shares of its own, drawn from Dir(alpha).
  quantity,   ///< Mixed samples, client sizes drawn from Dir(alpha).
  patient,    ///< One client a patient.
  pooled,     ///< One client for all samples.
};

inline constexpr std::array<PartitionKind, 6> all_partition_kinds{
    PartitionKind::site,     PartitionKind::iid,     PartitionKind::dirichlet,
    PartitionKind::quantity, PartitionKind::patient, PartitionKind::pooled};

std::string_view to_string(PartitionKind kind);

struct PartitionOptions {
  PartitionKind kind = PartitionKind::site;
  std::int64_t clients = 0;  ///< Number of clients; not of `site`, `patient` and `pooled`.
  double alpha = 0.5;  ///< Concentration of `dirichlet` and `quantity`: smaller, more unequal.
  std::uint64_t seed = 0;
};

/// What a partition needs to know of one split of a shard; every list has one entry a sample.
struct SplitIndex {
  std::vector<std::string> ids;
  std::vector<std::string> groups;   ///< Patients; empty when the shard names none.
  std::vector<std::int64_t> labels;  ///< Classes; empty for segmentation.
  std::string checksum;              ///< The stored one, of ShardReader::stored_checksum.

  std::int64_t count() const { return std::ssize(ids); }
};

/// What a partition needs to know of a shard.
struct ShardIndex {
  std::filesystem::path path;
  ShardInfo info;
  std::array<SplitIndex, 3> splits;  ///< Indexed by Split.

  const SplitIndex& split(Split which) const { return splits[static_cast<std::size_t>(which)]; }
};

/// Reads names, groups and labels of a shard, which verifies the labels; no pixels. Throws
/// UserError for a damaged shard.
ShardIndex read_shard_index(const std::filesystem::path& path);

/// Where a sample is.
struct SampleRef {
  std::int64_t shard = 0;  ///< Position in the list of shards.
  std::int64_t row = 0;    ///< Position in the split.

  auto operator<=>(const SampleRef&) const = default;
};

/// The samples of one client, sorted by shard and row in every split.
struct ClientPart {
  std::string name;  ///< Distinct; without '/', and for made clients safe as a file's name.
  std::array<std::vector<SampleRef>, 3> samples{};  ///< Indexed by Split.

  const std::vector<SampleRef>& split(Split which) const {
    return samples[static_cast<std::size_t>(which)];
  }
  std::int64_t count(Split which) const { return std::ssize(split(which)); }

  bool operator==(const ClientPart&) const = default;
};

/// The clients in the order of their ClientId. Together they hold every sample exactly once.
struct Partition {
  std::vector<ClientPart> clients;

  bool operator==(const Partition&) const = default;
};

/// Deals the samples of `shards`. The same for the same options and shards, whoever calls. Throws
/// UserError for fewer than 1 client, more clients than training samples, an alpha that is not
/// above 0, and for `patient` when a sample has no patient.
Partition make_partition(const std::vector<ShardIndex>& shards, const PartitionOptions& options);

/// Checksum of a client's samples of one split, from stored checksums: that of the shard when the
/// client holds exactly one shard's whole split, else one over the checksums and rows.
std::string part_checksum(const ClientPart& part, Split split,
                          const std::vector<ShardIndex>& shards);

}  // namespace harmofl
