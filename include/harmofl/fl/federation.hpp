/// Who takes part: the clients of a run, known to every rank before any data is read.
#pragma once

#include "harmofl/base/ids.hpp"
#include "harmofl/comm/communicator.hpp"
#include "harmofl/io/shard.hpp"
#include "harmofl/model/network_options.hpp"

#include <array>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace harmofl {

/// One client: a site and where its samples are.
struct Member {
  std::string site;
  std::filesystem::path shard;             ///< Empty when the data is made in memory.
  std::array<std::int64_t, 3> counts{};    ///< Samples, indexed by Split.
  std::array<std::string, 3> checksums{};  ///< As stored in the shard, indexed by Split.

  std::int64_t count(Split split) const { return counts[static_cast<std::size_t>(split)]; }
};

/// The clients, in the order of their ClientId, and what they all share.
struct Federation {
  ProblemShape shape;
  std::vector<std::string> class_names;
  std::vector<Member> members;

  std::int64_t size() const { return static_cast<std::int64_t>(members.size()); }
  /// Training samples of the smallest client.
  std::int64_t smallest() const;
};

/// How clients count in the average, `data.weights`.
enum class Weighting { uniform, samples };

/// Reads the headers of every shard in `folder` on the root and tells all ranks. Throws UserError
/// unless task, classes and image shape agree and sites are distinct. Collective.
Federation open_federation(const std::filesystem::path& folder, const Communicator& comm);

/// Aggregation weights p_i, which sum to 1. `truncate` counts every client as the smallest.
std::vector<double> aggregation_weights(const Federation& federation, Weighting weighting,
                                        bool truncate);

/// Gives each client a rank, longest first: in order of falling cost, each to the rank with the
/// least so far. The same on every rank. With as many ranks as clients, each gets one.
std::vector<Rank> place(const std::vector<std::int64_t>& costs, std::int64_t ranks);

}  // namespace harmofl
