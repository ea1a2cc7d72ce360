// SPDX-License-Identifier: Apache-2.0
/// What a checkpoint says of a run beside tensors.
#pragma once

#include "fl/clients/site_data.hpp"
#include "fl/clients/trained_on.hpp"
#include "fl/record/run_log.hpp"
#include "harmofl/base/ids.hpp"
#include "io/checkpoint/checkpoint.hpp"

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace harmofl {

/// How far a run has come.
struct RunProgress {
  RunLogState log;
  std::map<std::string, double> seconds;  ///< Seconds of the root by phase, over all rounds.
  std::int64_t sent_bytes = 0;            ///< Size of all messages of a client.
  std::vector<std::string> clients;       ///< Names of all; empty in older files.
  std::vector<Rank> placement;            ///< The rank of each of `clients`.
  std::int64_t ranks = 0;                 ///< Number of ranks that the run had; 0 in older files.
  /// What it was trained on; nothing in older files.
  std::optional<std::vector<SiteData>> data = {};
  std::vector<AcceptedChange> accepted_changes = {};  ///< Of the data, oldest first.
};

/// The content of a checkpoint's attribute `state`, JSON.
struct RunFacts {
  bool amplitude_frozen = false;
  std::optional<RunProgress> progress;       ///< Nothing where the file holds a model alone.
  std::optional<TrainedOn> trained_on = {};  ///< Nothing in older files.
};

std::string to_json(const RunFacts& facts);

/// Parses the facts of checkpoint `path`. Throws UserError, naming file and member, for what no run
/// writes: a missing member, one of another type or out of range, clients that are not distinct, or
/// a placement that does not give each of them one of the ranks.
RunFacts parse_facts(const CheckpointInfo& info, const std::filesystem::path& path);

}  // namespace harmofl
