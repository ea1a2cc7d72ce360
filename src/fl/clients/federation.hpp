// SPDX-License-Identifier: Apache-2.0
/// Who takes part: the clients of a run, known to every rank before any pixel is read.
#pragma once

#include "comm/communicator.hpp"
#include "fl/clients/site_data.hpp"
#include "fl/clients/trained_on.hpp"
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
  std::vector<Member> sites = {};  ///< The shards that are trained on, in the order of parts.
  /// Models are measured on the val and test images of the sites, not on those of each client.
  bool measured_by_site = false;
  /// Which client holds which image (data/partition/partition_file.hpp). On the root alone, and
  /// empty where clients are sites.
  std::string partition_csv = {};
  /// What the shards hold, in the order of `sites`, then of `held_out`. On the root alone.
  std::vector<SiteData> data = {};
  /// How their images were made. On the root alone.
  std::vector<ImageOrigin> origins = {};
  /// Sites that never train and are measured as new ones; their parts count on behind `sites`.
  std::vector<Member> held_out = {};
  /// Millimetres from pixel to pixel of each shard, down the rows and along the columns, in the
  /// order of parts; empty where one of them does not say: then distances are in pixels.
  std::vector<std::array<double, 2>> spacing = {};

  std::int64_t size() const { return static_cast<std::int64_t>(members.size()); }
  /// What models are measured on; a val or test score's ClientId is a position in this list, or,
  /// from its end on, in `held_out`.
  const std::vector<Member>& measured() const { return measured_by_site ? sites : members; }
  bool is_held_out(ClientId measured_id) const {
    return measured_id.value() >= std::ssize(measured());
  }
  const Member& measured_at(ClientId measured_id) const;
  /// The spacing of each sample of a split; one of all where all have the same; empty for pixels.
  std::vector<std::array<double, 2>> spacing_of(const Member& member, Split split) const;
  /// Training samples of the smallest client.
  std::int64_t smallest() const;
  std::vector<std::filesystem::path> shard_paths() const;
};

/// Reads the headers of every shard in `folder` on the root, deals the samples to clients and tells
/// all ranks. Clients without training samples are left out, unless a client is a site. The sites
/// named in `hold_out` are dealt to nobody. Throws UserError unless task, classes and image shape
/// agree, sites are distinct, and those held out are some of them but not all. Collective.
Federation open_federation(const std::filesystem::path& folder, const Communicator& comm,
                           const PartitionOptions& partition = {},
                           const std::vector<std::string>& hold_out = {});

/// The same of the shards `paths` and no others, each of which is a client.
Federation open_shards(const std::vector<std::filesystem::path>& paths, const Communicator& comm);

/// Aggregation weights p_i, which sum to 1. `truncate` counts every client as the smallest.
std::vector<double> aggregation_weights(const Federation& federation, Weighting weighting,
                                        bool truncate);

}  // namespace harmofl
