// SPDX-License-Identifier: Apache-2.0
/// Who takes part: the clients of a run, known to every rank before any pixel is read.
#pragma once

#include "comm/communicator.hpp"
#include "harmofl/base/ids.hpp"
#include "harmofl/data/partition.hpp"
#include "harmofl/fl/method_context.hpp"
#include "harmofl/io/shard.hpp"
#include "harmofl/model/network_options.hpp"

#include <array>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace harmofl {

/// A client, or a site that models are measured on: its name and where its samples are.
struct Member {
  std::string site;                      ///< Its name; of a made client "client_0012".
  std::filesystem::path shard;           ///< Empty where the samples lie in several, or in none.
  std::array<std::int64_t, 3> counts{};  ///< Samples, indexed by Split.
  std::array<std::string, 3>
      checksums{};       ///< Checksums of the samples as stored, indexed by Split.
  ClientPart part = {};  ///< Rows of shards; empty when the data is in memory.

  std::int64_t count(Split split) const { return counts[static_cast<std::size_t>(split)]; }
};

/// The clients, in the order of their ClientId, and what they all share.
struct Federation {
  ProblemShape shape;
  std::vector<std::string> class_names;
  std::vector<Member> members;
  std::vector<Member> sites = {};  ///< The shards, in the order that parts count in.
  /// Models are measured on the val and test images of the sites, not on those of each client.
  bool measured_by_site = false;
  /// Which client holds which image (data/partition/partition_file.hpp). On the root alone, and
  /// empty where clients are sites.
  std::string partition_csv = {};

  std::int64_t size() const { return static_cast<std::int64_t>(members.size()); }
  /// What models are measured on; a val or test score's ClientId is a position in this list.
  const std::vector<Member>& measured() const { return measured_by_site ? sites : members; }
  /// Training samples of the smallest client.
  std::int64_t smallest() const;
  std::vector<std::filesystem::path> shard_paths() const;
};

/// Reads the headers of every shard in `folder` on the root, deals the samples to clients and tells
/// all ranks. Clients without training samples are left out, unless a client is a site. Throws
/// UserError unless task, classes and image shape agree and sites are distinct. Collective.
Federation open_federation(const std::filesystem::path& folder, const Communicator& comm,
                           const PartitionOptions& partition = {});

/// Aggregation weights p_i, which sum to 1. `truncate` counts every client as the smallest.
std::vector<double> aggregation_weights(const Federation& federation, Weighting weighting,
                                        bool truncate);

}  // namespace harmofl
