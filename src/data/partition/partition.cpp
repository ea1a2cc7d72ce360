// SPDX-License-Identifier: Apache-2.0
// The kinds that deal samples by shares: iid, dirichlet, quantity. All cut lists of shuffled
// samples, one a stratum (a label, or everything), into consecutive pieces, one a client.
#include "harmofl/data/partition.hpp"

#include "data/partition/partition_kinds.hpp"
#include "data/partition/shares.hpp"
#include "harmofl/base/error.hpp"
#include "harmofl/base/rng.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <queue>
#include <string>
#include <utility>

namespace harmofl {
namespace {

/// How often Dirichlet shares are drawn again when they leave a client without training samples.
constexpr std::int64_t max_draws = 20;

// Rounds of the streams: permutations have the number of the split.
constexpr std::int64_t round_of_moves = 8;
constexpr std::int64_t first_round_of_shares = 16;  // one a draw

// Beyond these nothing changes any more, and doubles run out.
constexpr double min_alpha = 1e-6;
constexpr double max_alpha = 1e9;

/// Samples of each split, in the order in which they are dealt.
using Splits = std::array<std::vector<SampleRef>, 3>;
using Strata = std::map<std::int64_t, Splits>;

/// How many samples of a stratum's split each client gets, of so many.
using Divide = std::function<std::vector<std::int64_t>(std::int64_t stratum, std::int64_t total)>;

std::int64_t stratum_of(const ShardIndex& shard, std::int64_t position, Split split,
                        std::size_t row, PartitionKind kind) {
  if (kind != PartitionKind::dirichlet) return 0;
  return shard.info.task == Task::classification ? shard.split(split).labels[row] : position;
}

/// Sorts the samples into strata and shuffles each split of each.
Strata shuffled_strata(const std::vector<ShardIndex>& shards, const PartitionOptions& options) {
  Strata strata;
  for (const Split split : all_splits) {
    const auto index = static_cast<std::size_t>(split);
    for (std::int64_t shard = 0; shard < std::ssize(shards); ++shard) {
      const ShardIndex& source = shards[static_cast<std::size_t>(shard)];
      for (std::int64_t row = 0; row < source.split(split).count(); ++row) {
        const std::int64_t stratum =
            stratum_of(source, shard, split, static_cast<std::size_t>(row), options.kind);
        strata[stratum][index].push_back({shard, row});
      }
    }
    for (auto& [stratum, splits] : strata) {
      std::vector<SampleRef>& samples = splits[index];
      RngStream stream(options.seed, RoundId{static_cast<std::int64_t>(split)}, ClientId{stratum},
                       RngPurpose::partition);
      std::vector<SampleRef> shuffled;
      shuffled.reserve(samples.size());
      for (const std::int64_t i : stream.permutation(std::ssize(samples))) {
        shuffled.push_back(samples[static_cast<std::size_t>(i)]);
      }
      samples = std::move(shuffled);
    }
  }
  return strata;
}

std::vector<double> draw_shares(const PartitionOptions& options, std::int64_t stratum,
                                std::int64_t draw) {
  RngStream stream(options.seed, RoundId{first_round_of_shares + draw}, ClientId{stratum},
                   RngPurpose::partition);
  return draw_dirichlet(options.clients, options.alpha, stream);
}

/// Training samples of every client.
std::vector<std::int64_t> train_sizes(const Strata& strata, std::int64_t clients,
                                      const Divide& divide_stratum) {
  std::vector<std::int64_t> sizes(static_cast<std::size_t>(clients), 0);
  for (const auto& [stratum, splits] : strata) {
    const auto counts = divide_stratum(stratum, std::ssize(splits.front()));
    for (std::size_t client = 0; client < counts.size(); ++client) sizes[client] += counts[client];
  }
  return sizes;
}

Divide choose_division(const Strata& strata, const PartitionOptions& options) {
  if (options.kind == PartitionKind::iid) {
    return [clients = options.clients](std::int64_t, std::int64_t total) {
      return divide_evenly(total, clients);
    };
  }
  const std::int64_t draws = options.kind == PartitionKind::dirichlet ? max_draws : 1;
  Divide division;
  for (std::int64_t draw = 0; draw < draws; ++draw) {
    std::map<std::int64_t, std::vector<double>> shares;
    for (const auto& [stratum, splits] : strata) {
      shares[stratum] = draw_shares(options, stratum, draw);
    }
    division = [shares = std::move(shares)](std::int64_t stratum, std::int64_t total) {
      return divide(total, shares.at(stratum));
    };
    if (std::ranges::min(train_sizes(strata, options.clients, division)) > 0) break;
  }
  return division;
}

std::vector<ClientPart> deal(const Strata& strata, std::int64_t clients,
                             const Divide& divide_stratum) {
  std::vector<ClientPart> parts(static_cast<std::size_t>(clients));
  for (const auto& [stratum, splits] : strata) {
    for (std::size_t split = 0; split < splits.size(); ++split) {
      auto next = splits[split].begin();
      const auto counts = divide_stratum(stratum, std::ssize(splits[split]));
      for (std::size_t client = 0; client < counts.size(); ++client) {
        std::vector<SampleRef>& samples = parts[client].samples[split];
        samples.insert(samples.end(), next, next + counts[client]);
        next += counts[client];
      }
    }
  }
  return parts;
}

/// Moves one training sample to every client without any, each time from the client with the most:
/// any of its samples, so that no label is moved more often than others.
void fill_empty(std::vector<ClientPart>& parts, std::uint64_t seed) {
  using Entry = std::pair<std::int64_t, std::int64_t>;  // samples, minus the position
  std::priority_queue<Entry> largest;
  for (std::int64_t i = 0; i < std::ssize(parts); ++i) {
    largest.emplace(parts[static_cast<std::size_t>(i)].count(Split::train), -i);
  }
  for (std::int64_t i = 0; i < std::ssize(parts); ++i) {
    std::vector<SampleRef>& receiver = parts[static_cast<std::size_t>(i)].samples.front();
    if (!receiver.empty()) continue;
    const auto [count, position] = largest.top();
    largest.pop();
    HARMOFL_ASSERT(count >= 2);
    std::vector<SampleRef>& giver = parts[static_cast<std::size_t>(-position)].samples.front();
    RngStream stream(seed, RoundId{round_of_moves}, ClientId{i}, RngPurpose::partition);
    std::swap(giver[stream.below(static_cast<std::uint32_t>(count))], giver.back());
    receiver.push_back(giver.back());
    giver.pop_back();
    largest.emplace(count - 1, position);
  }
}

std::string made_name(std::int64_t client, std::int64_t clients) {
  const std::size_t width = std::max<std::size_t>(4, std::to_string(clients - 1).size());
  const std::string digits = std::to_string(client);
  return concat("client_", std::string(width - digits.size(), '0'), digits);
}

void validate(const std::vector<ShardIndex>& shards, const PartitionOptions& options) {
  HARMOFL_VALIDATE(options.clients >= 1, "The number of clients is ", options.clients,
                   ", but a partition by '", to_string(options.kind),
                   "' deals to 1 or more. Give data.clients.");
  std::int64_t samples = 0;
  for (const ShardIndex& shard : shards) samples += shard.split(Split::train).count();
  HARMOFL_VALIDATE(options.clients <= samples, "There are ", options.clients,
                   " clients to deal to, but only ", samples,
                   " training samples, and every client needs one. Give a data.clients of ",
                   samples, " or less, or more samples.");
  const bool fits = options.alpha >= min_alpha && options.alpha <= max_alpha;
  HARMOFL_VALIDATE(options.kind == PartitionKind::iid || fits, "The partition's alpha is ",
                   options.alpha, ", but must lie between ", min_alpha, " (unequal) and ",
                   max_alpha, " (equal). Give data.partition_alpha, often 0.1 to 10.");
}

Partition by_shares(const std::vector<ShardIndex>& shards, const PartitionOptions& options) {
  validate(shards, options);
  const Strata strata = shuffled_strata(shards, options);
  Partition partition{deal(strata, options.clients, choose_division(strata, options))};
  fill_empty(partition.clients, options.seed);
  for (std::int64_t i = 0; i < options.clients; ++i) {
    ClientPart& part = partition.clients[static_cast<std::size_t>(i)];
    part.name = made_name(i, options.clients);
    for (std::vector<SampleRef>& samples : part.samples) std::ranges::sort(samples);
  }
  return partition;
}

}  // namespace

Partition make_partition(const std::vector<ShardIndex>& shards, const PartitionOptions& options) {
  switch (options.kind) {
    case PartitionKind::site:
      return by_site(shards);
    case PartitionKind::patient:
      return by_patient(shards);
    case PartitionKind::pooled:
      return all_pooled(shards);
    default:
      return by_shares(shards, options);
  }
}

}  // namespace harmofl
