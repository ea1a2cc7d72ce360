// SPDX-License-Identifier: Apache-2.0
/// Where a run came from and where it ran: the content of `run.json` and of the banner.
#pragma once

#include "app/config/run_options.hpp"
#include "comm/communicator.hpp"
#include "fl/clients/federation.hpp"

#include <nlohmann/json_fwd.hpp>

#include <string>
#include <vector>

namespace harmofl {

/// One process of the job.
struct RankPlace {
  std::string host;
  std::string device;
  int threads = 1;         ///< Threads of a lane.
  std::int64_t lanes = 1;  ///< Clients that it trains at the same time.
  int process_id = 0;
  std::string processor = {};  ///< Its model, as /proc/cpuinfo has it; "" where that says none.
};

/// Describes all ranks to all ranks: this one by its device and lanes. Collective.
std::vector<RankPlace> describe_ranks(const Communicator& comm, const std::string& device,
                                      std::int64_t lanes);

/// Everything that made the run: build, libraries, ranks, shards, placement, configuration.
nlohmann::json run_record(const RunOptions& run, const Config& config, const Federation& federation,
                          const std::vector<Rank>& placement, const std::vector<RankPlace>& ranks,
                          std::int64_t parameters);

/// The lines at the start of a run: what, where, how many threads, which device.
std::string banner(const RunOptions& run, const Federation& federation,
                   const std::vector<Rank>& placement, const std::vector<RankPlace>& ranks,
                   std::int64_t parameters);

}  // namespace harmofl
